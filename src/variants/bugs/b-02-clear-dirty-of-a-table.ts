import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-02-clear-dirty-of-a-table',
  summary: 'the pass that clears D bits takes the table another thread has just linked for a leaf',
  id: 'B-02',
  fix: ['45a61ebb2211'],
  year: 2024,
  wrong:
    'Clearing D bits of the TDP MMU goes on with the value a failed exchange has brought, without asking ' +
    'again whether it is a leaf. A split of another thread may have put a table there, whose bit 9 means ' +
    'something else.',
  needs: 'PML, and clearing D bits under the read lock while a fault splits the same page.',
  expected: 'D5',
  mayFireFirst: {
    Q6: 'the entry no longer points to a table of the right kind',
    Q38: 'the entry no longer points to a table of the right kind',
  },
  scenario: 'pml',
  apply: () => ({ tdpClearDirtyApplies: () => true }),
});
