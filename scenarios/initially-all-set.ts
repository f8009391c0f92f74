/**
 * KVM_DIRTY_LOG_INITIALLY_SET: enabling splits nothing, clearing splits piecewise.
 *
 * The bitmap starts all ones, so that enabling costs nothing. Each KVM_CLEAR_DIRTY_LOG then splits, word by word of 64
 * gfns, what the cleared bits cover, all under one hold of mmu_lock except where the split yields. Until 6.8 the end of
 * each word's range was taken as exclusive though it is the last set bit (B-01): a huge page that begins with that bit
 * stays huge, write-protected, and is split by the next write fault.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'initially-all-set',
  summary: 'INITIALLY_SET: enabling splits nothing, KVM_CLEAR_DIRTY_LOG splits word by word',
  about:
    'The first harvest reports every page; clearing them splits the huge pages below. Dirty bits are taken before the ' +
    'word is split and write-protected, and the split may drop mmu_lock in between: user space must copy after CLEAR.',
  facts: ['3.1 E2', 'B-01', 'Y5', 'D11'],
  defaults: { memory: '1G', manual: 'initially-set' },
  explore: { memory: '64K', manual: 'initially-set' },
  machine: (p, { huge2, huge3, base, pages }) => {
    const giants = p.backing === '1g' ? Math.floor(pages / huge3) : 0;
    const rest = (pages - giants * huge3) / huge2;
    return {
      roots: [
        {
          name: 'L2',
          mappings: [
            ...(giants > 0 ? [{ l2Gfn: 0, l1Gfn: base, level: 3 as const, count: giants }] : []),
            ...(rest > 0
              ? [{ l2Gfn: giants * huge3, l1Gfn: base + giants * huge3, level: 2 as const, count: rest }]
              : []),
          ],
        },
      ],
      populate: 'all',
    };
  },
});
