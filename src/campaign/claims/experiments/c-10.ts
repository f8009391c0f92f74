import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** C10: the lock is dropped after each SPTE if it is contended, and the walk starts over safely. */
export default defineExperiment({
  id: 'C10',
  claim: 'If mmu_lock is contended it is dropped after each SPTE, and starting over from the head is safe.',
  facts: ['9.2', '3.4', '3.6', 'D4', 'D12'],
  control: { variant: 'no-restart-after-eagain', verdict: 'refuted' },
  async run(lab) {
    const exact = await lab.prove({ scenario: 'tiny-split', atMost: 5000 });
    const bounded = await lab.prove({
      scenario: 'tiny-split',
      parameters: { memory: '32K', ops: 2 },
      preemptions: 1,
      atMost: 5000,
    });
    const contended = await lab.explore({
      scenario: 'fault-storm',
      parameters: { reschedRate: 0.3 },
      schedules: 200,
    });
    const aliased = await lab.explore({
      scenario: 'alias-mixed-access',
      parameters: { reschedRate: 0.3 },
      schedules: 200,
    });
    const searches = [exact, bounded, contended, aliased];
    const failure = searches.find((search) => search.failure !== undefined)?.failure;
    if (failure !== undefined) return refuted('Starting over goes wrong.', { witnesses: [failure] });
    const schedules = contended.schedules + aliased.schedules;
    const drops = contended.counters.splitEagain + aliased.counters.splitEagain;
    const figures = { 'drops per schedule, under contention': drops / schedules };
    if (!exact.complete || !bounded.complete)
      return open('The small machines were not searched to their end.', { figures });
    return confirmed(
      `One huge page against one access: every behaviour. Two pages against two accesses: every schedule with one preemption. And ${schedules} ` +
        'random schedules in which the lock was dropped again and again. Safe does not mean that it gets on: see H-F.',
      { figures },
    );
  },
});
