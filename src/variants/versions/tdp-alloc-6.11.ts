import { tdpAllocSpUnlocked } from '../../mmu/tdp/split.ts';
import { defineVariant } from '../define.ts';

/** Linux 6.11: a split of the TDP MMU always drops mmu_lock to allocate its table (cf3ff0ee24d6, B-57). */
export default defineVariant({
  name: 'tdp-alloc-6.11',
  summary: 'Linux 6.11: a split of the TDP MMU always drops mmu_lock to allocate',
  kind: 'profile',
  facts: ['3.13', '4.2', 'B-57'],
  caughtBy: [],
  apply: () => ({ tdpAllocSpForSplit: tdpAllocSpUnlocked, tdpAllocDropsLock: true }),
});
