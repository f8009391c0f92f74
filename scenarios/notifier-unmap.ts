/**
 * The host takes pages away from the guest while the split works on them.
 *
 * Swapping a page out, dropping a range (MADV_DONTNEED) or write-protecting it goes through the MMU notifier: a start that
 * zaps the range and flushes, an end that counts the sequence up. A fault that looked a frame up before must not install it
 * afterwards (5.4); the split looks at neither, as it only says anew what the tables say, under a lock that the notifier
 * needs as well. A frame that was freed is poisoned: whoever still reads it through a stale translation is seen.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'notifier-unmap',
  summary: 'the host unmaps and write-protects ranges of guest memory during the split',
  about:
    'An MMU notifier invalidates random ranges, at times several at once and half of a huge page; the pages come back by ' +
    'faults. Stale translations and stale faults show as reads and writes of poisoned frames.',
  facts: ['A9', 'A10', '5.4', 'D17', 'Q52', 'B-39'],
  defaults: { memory: '256M', backing: '2m' },
  explore: { memory: '32K', backing: '2m', castRounds: 3 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: 'all',
    cast: [{ kind: 'mmu-notifier', weights: { unmap: 3, cow: 2, writableInPlace: 1 } }],
  }),
});
