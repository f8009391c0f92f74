import { placeExperiment } from './f-place.ts';

export default placeExperiment({
  id: 'F9',
  must: 'never be owed by anybody who does not hold mmu_lock: made right after the lock was dropped it is too late',
  tiny: {},
  scenario: 'nx-partial-reuse',
  parameters: { reschedRate: 0.2 },
  schedules: 150,
});
