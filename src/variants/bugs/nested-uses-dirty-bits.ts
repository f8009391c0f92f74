import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'nested-uses-dirty-bits',
  summary: 'nested pages are tracked by D bits like those of L1',
  id: 'H-D',
  year: 2022,
  wrong:
    'Nested leaves were not marked write-protect-only, so that the log goes by their D bits. PML is off while L2 runs ' +
    '(c3bb9a20834f), and nobody learns of a D bit that L2 sets. (What a split does to D bits is another question: H-D, ' +
    'with the variant nested-pml.)',
  needs: 'PML for L1, and a write of L2 to a logged page.',
  expected: 'Q45',
  mayFireFirst: {
    D6: 'a page was not copied',
    Q46: 'a page is newer than its copy with no bit set',
    Q47: 'the D bit that hardware set is lost',
    Q31: 'nested leaves are not marked write-protect-only although PML is on',
    Q44: 'a writable page is in no log',
    D11: 'a page can be written without being logged',
  },
  facts: ['9.3', 'nestedUsesDirtyBits'],
  scenario: 'pml',
  apply: () => ({ pageAdNeedWriteProtect: () => false }),
});
