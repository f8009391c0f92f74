import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-36-write-protect-only-without-pml',
  summary: 'nested entries are marked write-protect-only although PML is off',
  id: 'B-36',
  fix: ['44ac5958a6c1'],
  year: 2021,
  wrong:
    'SPTE_TDP_AD_WRPROT_ONLY was set for every nested page, PML or not, so that entries and roles ' +
    'disagreed about how writes are tracked.',
  needs: 'A nested page, and PML off.',
  expected: 'Q31',
  scenario: 'nested-migration',
  apply: () => ({ pageAdNeedWriteProtect: (_kvm, guestMode) => guestMode }),
});
