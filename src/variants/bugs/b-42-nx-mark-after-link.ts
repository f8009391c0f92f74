import { spinLock, spinUnlock } from '../../locks/spinlock.ts';
import { accountHugeNxPage } from '../../mmu/nx-list.ts';
import { tdpMmuLinkSp } from '../../mmu/tdp/link.ts';
import { tdpPagesLock } from '../../mmu/tdp/rcu.ts';
import { defineBug } from '../bug.ts';
import nx62 from '../versions/nx-6.2.ts';

export default defineBug({
  name: 'b-42-nx-mark-after-link',
  summary: 'a table is put on the NX list only after others can see it',
  id: 'B-42',
  fix: ['61f94478547b'],
  year: 2022,
  wrong:
    'The mark that a table exists because of the mitigation was set after the table had been linked. A ' +
    'zap in between takes the table and leaves the mark, or the list misses it.',
  needs: 'The mitigation on, L1 executing, and a zap between link and mark.',
  expected: 'Q33',
  scenario: 'tdp-races',
  apply: (base) => ({
    ...nx62.apply(base),
    *tdpLinkNxSp(kvm, cpu, iter, sp) {
      const result = yield* tdpMmuLinkSp(kvm, cpu, iter, sp, true);
      if (result !== 0) return result;
      yield* spinLock(cpu, tdpPagesLock(kvm), kvm.observer);
      accountHugeNxPage(kvm, cpu, sp);
      yield* spinUnlock(cpu, tdpPagesLock(kvm), kvm.observer);
      return 0;
    },
  }),
});
