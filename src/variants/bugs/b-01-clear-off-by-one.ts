import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-01-clear-off-by-one',
  summary: 'CLEAR_DIRTY_LOG hands the last set bit to the split as an exclusive end',
  id: 'B-01',
  fix: ['1aa4bb916808'],
  year: 2024,
  wrong:
    'KVM_CLEAR_DIRTY_LOG passed the gfn of the last set bit where the split expects the first gfn behind ' +
    'the range. A block of which only the first page was cleared stays huge; the TDP walk of a single bit ' +
    'sees an empty range.',
  needs: 'INITIALLY_SET, and a mask whose last bit is the first page of a huge page.',
  expected: 'Q43',
  scenario: 'initially-all-set',
  parameters: { clearPages: 3 },
  apply: () => ({ clearSplitEnd: (lastGfn) => lastGfn, clearSplitsLastPage: true }),
});
