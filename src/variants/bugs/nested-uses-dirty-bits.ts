import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'nested-uses-dirty-bits',
  summary: 'nested pages are tracked by D bits like those of L1',
  id: 'H-D',
  year: 2022,
  wrong:
    'The children of a split take A and D from a copy of the huge SPTE that was made before it was ' +
    'dropped. As long as nested pages are tracked by write protection that does not matter; by D bits a ' +
    'write in between is lost.',
  needs: 'PML, and a write of L2 between the copy and the drop.',
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
