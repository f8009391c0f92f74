/**
 * A backend that flushes ranges of gfns, as an enlightened guest of Hyper-V does, instead of everything.
 *
 * With full flushes a wrong range cannot be seen (kernel-facts 5.5, B-14 to B-17). Here every flush that names a range drops
 * only what is in it: aliases, whose L2 addresses are not L1's gfns, recycled lists, notifiers and shadowed tables all depend on it.
 * `range-l2` knows which gfn of L1 is behind an entry; `range-l1` compares KVM's gfn with the address in the tag, which
 * nothing makes right for EPT02 unless L1 maps L2 one to one (H-K).
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'range-flush',
  summary:
    'flushes name ranges of gfns: splits, notifiers and shadowed tables on a backend that drops no more than that',
  about:
    'Every page has two L2 addresses of different permission. Compare the variants p0 (B-14, B-17) and the parameter ' +
    'flushBackend: range-l1 finds H-K as soon as something is unmapped.',
  facts: ['5.5', 'B-14', 'B-15', 'B-16', 'B-17', 'H-E', 'H-K'],
  defaults: { memory: '128M', backing: '2m', flushBackend: 'range-l2', psc: 16, l1Vcpus: 1, vcpus: 2 },
  explore: { memory: '32K', backing: '2m', flushBackend: 'range-l2', psc: 4, l1Vcpus: 1, castRounds: 3 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [
      {
        name: 'aliased',
        mappings: [
          { l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 },
          { l2Gfn: pages, l1Gfn: base, level: 2, count: pages / huge2, perm: 'rx' },
        ],
      },
    ],
    populate: 'all',
    cast: [
      { kind: 'mmu-notifier', weights: { unmap: 3, migrate: 2, cow: 1 } },
      { kind: 'l1-vcpu', rounds: 0, weights: { read: 2, write: 2, protect: 1 } },
    ],
  }),
});
