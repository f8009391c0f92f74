import { cacheCount } from '../../mmu/memory-cache.ts';
import { needResched, rwlockNeedbreak } from '../../mmu/resched.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'one-descriptor-short',
  summary: 'the topup is content with 512 descriptors where a split may need 513',
  id: 'C11',
  year: 2022,
  wrong:
    '512 reverse maps and one parent list may each need a descriptor. With one less the last of them ' +
    'finds the cache empty.',
  needs:
    'Every 4K reverse map of the page one entry away from a new descriptor, and the parent list as well: a table that was ' +
    'emptied and has a parent already. And exactly so many descriptors left.',
  expected: 'C11',
  facts: ['desc512', '2.3'],
  scenario: 'emptied-children',
  apply: () => ({
    needTopupSplitCachesOrResched: (kvm, cpu, caches) => {
      const contended = rwlockNeedbreak(kvm, cpu);
      const resched = needResched(kvm, cpu);
      return (
        contended ||
        resched ||
        cacheCount(kvm, caches.desc) < kvm.entries ||
        cacheCount(kvm, caches.header) < 1 ||
        cacheCount(kvm, caches.table) < 1
      );
    },
  }),
});
