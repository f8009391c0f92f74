import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'flush-before-drop',
  summary: 'the flush of a split comes while the huge SPTE is still live',
  id: 'H-A',
  year: 2022,
  wrong:
    'A flush before the huge SPTE is dropped proves nothing: a vCPU may fill its TLB from the entry again ' +
    'before it goes.',
  needs: 'A reused child with holes, and a vCPU that touches the page between flush and drop.',
  expected: 'Q49',
  mayFireFirst: {
    Q50: 'the huge translation survives over a hole',
    Q35: 'no flush came after the drop',
  },
  facts: ['9.3', 'flushBeforeDrop'],
  scenario: 'nx-partial-reuse',
  apply: () => ({ splitFlushesBeforeDrop: true }),
});
