import { defineBug } from '../bug.ts';
import nx62 from '../versions/nx-6.2.ts';

export default defineBug({
  name: 'b-43-any-table-forbids-huge',
  summary: 'with the mitigation on, tables left over from the log keep huge pages away for ever',
  id: 'B-43',
  fix: ['76901e56fb51'],
  year: 2022,
  wrong:
    'A fault took any table at its goal level for one that the mitigation had made, so the tables that a split has left ' +
    'behind kept the page in 4K pieces after logging was off.',
  needs:
    'The mitigation on, a split, logging turned off again, and a fault. Linux 6.0 and 6.1 are like this (H-J).',
  expected: 'Q33',
  facts: ['H-J'],
  scenario: 'tdp-races',
  apply: (base) => ({
    ...nx62.apply(base),
    tableForbidsHuge: () => true,
    tdpTableForbidsHuge: () => true,
  }),
});
