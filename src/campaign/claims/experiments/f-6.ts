import { placeExperiment } from './f-place.ts';

export default placeExperiment({
  id: 'F6',
  must: 'survive the end of the pass over one level',
  tiny: {},
  scenario: 'log-cycle',
  schedules: 150,
});
