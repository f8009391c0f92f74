import { defineVariant } from '../define.ts';

/**
 * kvm_zap_gfn_range() walks the reverse maps from 1 GiB down. KVM walks from 4 KiB up and may yield: a split meanwhile moves what a 2 MiB
 * head holds to 4 KiB heads that the walk has behind it. Downward a split only moves things to where the walk still comes.
 */
export default defineVariant({
  name: 'zap-range-downward',
  summary:
    'kvm_zap_gfn_range() walks reverse maps from the largest pages down, so that a split cannot hide anything from it',
  kind: 'idea',
  facts: ['A24', '3.3', '3.12'],
  caughtBy: [],
  apply: () => ({ zapRangeLevels: [3, 2, 1] }),
});
