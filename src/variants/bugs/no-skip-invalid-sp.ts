import { defineBug } from '../bug.ts';
import childInheritsInvalid from './b-47-child-inherits-invalid.ts';

export default defineBug({
  name: 'no-skip-invalid-sp',
  summary: 'the split works on pages that have been zapped',
  id: 'noSkipInvalidSp',
  year: 2022,
  wrong:
    'The handler did not pass over pages whose role is invalid. What it splits there hangs below a page that is on its way ' +
    'out: the new child is linked where nobody looks for it.',
  needs: 'A zapped page that maps something huge, which takes the three bugs B-44, B-47 and B-48.',
  expected: 'D23',
  mayFireFirst: {
    Q49: 'a TLB keeps what went with the zapped page',
  },
  without: {
    Q16: 'that the root goes at all is B-48',
    D17: 'that the fault goes on below it is B-44',
    Q15: 'that a zapped root has present entries again is B-44',
    ...Object.fromEntries(
      ['Q1', 'Q4', 'Q7', 'Q8', 'Q12', 'Q54', 'Q55', 'Q56'].map((id) => [
        id,
        'what invalid pages do to counts and lists is B-47',
      ]),
    ),
  },
  scenario: 'orphaned-root',
  apply: (base) => ({ ...childInheritsInvalid.apply(base), splitSkipsInvalid: false }),
});
