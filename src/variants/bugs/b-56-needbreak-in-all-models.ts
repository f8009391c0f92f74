import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-56-needbreak-in-all-models',
  summary: 'bulk walkers drop the lock at every contention, also without preemption',
  id: 'B-56',
  fix: ['c793a62823d1'],
  year: 2024,
  wrong:
    'With dynamic preemption rwlock_needbreak() looked at contention whatever model was in effect. Under ' +
    'many faults a split pass then drops the lock before every page and gets nowhere.',
  needs: 'A kernel without preemption, and vCPUs that keep the lock contended.',
  expected: 'D13',
  scenario: 'fault-storm',
  parameters: { preempt: 'none', reschedRate: 0 },
  apply: () => ({ needbreakInAllModels: true }),
});
