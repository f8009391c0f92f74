import { placeExperiment } from './f-place.ts';

export default placeExperiment({
  id: 'F3',
  must: 'be made at the end of the write section in which logging is turned on',
  tiny: {},
  scenario: 'nx-partial-reuse',
  schedules: 150,
});
