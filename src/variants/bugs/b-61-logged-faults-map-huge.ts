import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-61-logged-faults-map-huge',
  summary: 'a fault maps a huge page writable in a slot that is logged',
  id: 'B-61',
  fix: ['a216e24fc947', '6ad36f39a769'],
  year: 2026,
  wrong:
    'RISC-V mapped huge pages in logged slots: a write then dirties all of it and marks one page. On x86 ' +
    'hugepage_adjust forbids it.',
  needs: 'A fault in a logged slot on memory that could be mapped huge.',
  expected: 'Q42',
  mayFireFirst: {
    D6: 'a page was not copied',
    Q43: 'a huge page is left behind the split',
    Q44: 'a huge page of a logged slot is writable',
    D11: 'a page can be written without being logged',
    Q46: 'a page is newer than its copy with no bit set',
    D22: 'a huge page comes back above one that is split',
  },
  scenario: 'nested-migration',
  apply: () => ({ loggedFaultsMapSmall: () => false }),
});
