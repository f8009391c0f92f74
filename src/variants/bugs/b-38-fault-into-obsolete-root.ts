import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-38-fault-into-obsolete-root',
  summary: 'a fault installs into a root that was invalidated while it waited for the lock',
  id: 'B-38',
  fix: ['a955cad84cda', '18c841e1f411'],
  year: 2021,
  wrong:
    'The test for a stale fault did not look at the root. A memslot update between loading the root and ' +
    'taking mmu_lock left the fault mapping into tables that are being zapped.',
  needs: 'zap-all-fast between the entry of a vCPU and its fault.',
  expected: 'D17',
  mayFireFirst: {
    Q8: 'a table is linked below an invalid root',
    Q6: 'an entry names a table that has gone',
    Q16: 'a root that has gone is still loaded',
    Q15: 'a zapped page has children',
    D8: 'a translation out of a freed table is used',
    Q53: 'a page that hangs below an invalid root is never freed',
    Q51: 'a freed table is still in use',
  },
  scenario: 'zap-all',
  apply: () => ({ isObsoleteRoot: () => false }),
});
