import { defineVariant } from '../define.ts';

/**
 * Eager splitting on every page of the shadow MMU (claim C1): the test for guest mode in the loop goes, and so does the
 * refusal without the TDP MMU. Meant for `tdpMmu` off, where L1's own tables are shadowed too.
 */
export default defineVariant({
  name: 'no-guest-mode-check',
  summary: 'eager splitting acts on all pages of the shadow MMU, and without the TDP MMU too',
  kind: 'idea',
  facts: ['C1', '3.1', '3.4', 'H-D'],
  caughtBy: [],
  apply: () => ({ splitsWithoutTdp: true, splitSkipsNonNested: false }),
});
