import { defineBug } from '../bug.ts';
import nx62 from '../versions/nx-6.2.ts';

export default defineBug({
  name: 'b-59-recovers-logged-pages',
  summary: 'NX recovery zaps pages of a logged slot, which come back as they were',
  id: 'B-59',
  fix: ['eb298605705a', '817fa998362d'],
  year: 2022,
  wrong:
    'The recovery worker zapped tables of slots that are logged. No huge page can be mapped there, so vCPUs fault the same ' +
    '4K pages in again, and the worker takes them again.',
  needs: 'The mitigation on, a table made for it, logging turned on, and a wakeup of the worker.',
  expected: 'Q33',
  scenario: 'nx-recovery',
  apply: (base) => ({ ...nx62.apply(base), nxRecoverySkips: () => false }),
});
