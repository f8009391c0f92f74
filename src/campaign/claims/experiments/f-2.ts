import { placeExperiment } from './f-place.ts';

export default placeExperiment({
  id: 'F2',
  must: 'be made before the rmap walker gives mmu_lock up between two heads',
  tiny: { memory: '128K' },
  scenario: 'nx-partial-reuse',
  schedules: 150,
});
