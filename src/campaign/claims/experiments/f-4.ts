import { placeExperiment } from './f-place.ts';

export default placeExperiment({
  id: 'F4',
  must: 'be made at the end of the shadow part of KVM_CLEAR_DIRTY_LOG',
  tiny: { manual: 'initially-set' },
  scenario: 'nx-partial-reuse',
  parameters: { manual: 'initially-set' },
  schedules: 150,
});
