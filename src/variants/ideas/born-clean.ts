import { defineVariant } from '../define.ts';

/**
 * make_spte() leaves D to hardware. KVM sets it in every writable entry that it makes, so that a huge SPTE that may be written
 * never begins without D, and has none to gain while it is split (3.10, H-D).
 */
export default defineVariant({
  name: 'born-clean',
  summary: 'new writable leaves begin without D, and the first write has to set it (H-D)',
  kind: 'idea',
  facts: ['H-D', '3.10'],
  caughtBy: [],
  scenario: 'pml',
  apply: () => ({ leafIsBornDirty: () => false }),
});
