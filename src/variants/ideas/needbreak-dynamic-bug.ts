import { defineVariant } from '../define.ts';

/**
 * rwlock_needbreak() goes by what the kernel was built with, not by the preemption model that was chosen at boot
 * (c597bfddc9e9, until c793a62823d1; B-56): a server kernel then gives mmu_lock up at every contention.
 */
export default defineVariant({
  name: 'needbreak-dynamic-bug',
  summary: 'a lock holder sees contention in every preemption model, as with PREEMPT_DYNAMIC in 2021 to 2024',
  kind: 'idea',
  facts: ['B-56', '10.2', 'D13'],
  caughtBy: [],
  apply: () => ({ needbreakInAllModels: true }),
});
