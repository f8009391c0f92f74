import { placeExperiment } from './f-place.ts';

/** F1: the lock leaves the function directly there. */
export default placeExperiment({
  id: 'F1',
  must: 'be made before a split drops mmu_lock to refill its caches or to let a waiter in',
  tiny: { memory: '128K' },
  scenario: 'nx-partial-reuse',
  schedules: 150,
});
