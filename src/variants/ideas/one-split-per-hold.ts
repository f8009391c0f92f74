import { splitCachesLow } from '../../mmu/shadow/split-steps.ts';
import { defineVariant } from '../define.ts';

/**
 * A guard against giving mmu_lock up for ever (H-F), as the TDP MMU has one: an attempt does not look for waiters before it
 * has split something since the lock was last taken. The caches are looked at all the same.
 */
export default defineVariant({
  name: 'one-split-per-hold',
  summary:
    'a split does not give mmu_lock up to a waiter before it has split one page since it took it (H-F)',
  kind: 'idea',
  facts: ['H-F', '3.6', '4.2', 'D13'],
  caughtBy: [],
  apply: (base) => ({
    needTopupSplitCachesOrResched: (kvm, cpu, caches, splitsThisHold) =>
      splitsThisHold === 0
        ? splitCachesLow(kvm, caches)
        : base.needTopupSplitCachesOrResched(kvm, cpu, caches, splitsThisHold),
  }),
});
