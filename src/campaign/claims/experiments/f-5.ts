import { placeExperiment } from './f-place.ts';

export default placeExperiment({
  id: 'F5',
  must: 'survive a head that is left with -ENOSPC or -ENOMEM',
  scenario: 'nx-partial-reuse',
  parameters: { mmuPages: 10 },
  schedules: 300,
});
