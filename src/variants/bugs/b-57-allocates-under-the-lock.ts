import { tdpAllocSpForSplit } from '../../mmu/tdp/split.ts';
import { defineBug } from '../bug.ts';
import tdpAlloc611 from '../versions/tdp-alloc-6.11.ts';

export default defineBug({
  name: 'b-57-allocates-under-the-lock',
  summary: 'a split of the TDP MMU allocates its table with mmu_lock held',
  id: 'B-57',
  fix: ['cf3ff0ee24d6'],
  year: 2024,
  wrong:
    'A split first tried to allocate without sleeping and without dropping mmu_lock, which CLEAR_DIRTY_LOG holds for write: ' +
    'all vCPUs that fault wait for the allocator. Nothing is lost but time.',
  needs: 'A split of the TDP MMU. Linux 6.0 to 6.10 are like this.',
  expected: 'D14',
  scenario: 'both-mmus',
  apply: (base) => ({ ...tdpAlloc611.apply(base), tdpAllocSpForSplit }),
});
