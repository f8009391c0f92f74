import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-31-link-before-sync',
  summary: 'a table is linked although what is below it is out of sync',
  id: 'B-31',
  fix: ['65855ed8b034'],
  year: 2021,
  wrong:
    'An unsync page, or a page above one, was linked without being synced. L1 need not flush when it ' +
    'makes an entry present, so L2 saw an outdated mapping.',
  needs: 'L1 edits an unsync table and then links it under another entry.',
  expected: 'Q49',
  mayFireFirst: {
    Q11: 'a child is linked that L1 no longer names',
    Q24: 'an outdated leaf is reachable',
    Q28: 'a leaf allows what L1 has taken away',
    Q19: 'an outdated leaf is in the wrong reverse map',
  },
  scenario: 'moved-table',
  apply: () => ({
    *syncBeforeLink() {
      return true;
    },
    *syncFoundPage() {
      return false;
    },
  }),
});
