import { confirmed, defineExperiment, refuted } from '../define.ts';

/** F8: the flush of a recycled head comes too early. */
export default defineExperiment({
  id: 'F8',
  claim:
    'A deferred flush is not settled by the flush of a reverse map that is recycled: the huge SPTE is still live then.',
  facts: ['9.4', 'H-A'],
  control: { variant: 'p2', verdict: 'refuted' },
  async run(lab) {
    const machine = {
      scenario: 'alias-mixed-access',
      parameters: { recycleThreshold: 1, flushBackend: 'range-l2', memory: '32K' },
      without: ['D24'],
    };
    const taken = await lab.hunt({ ...machine, variant: 'p3-recycle-discharges', atMost: 3000 });
    if (taken.failure === undefined)
      return refuted(`P3 that takes that flush for its own broke nothing in ${taken.schedules} schedules.`);
    const kept = await lab.explore({ ...machine, variant: 'p3', schedules: 200 });
    if (kept.failure !== undefined) return refuted('P3 breaks all the same.', { witnesses: [kept.failure] });
    return confirmed(
      `P3 that takes that flush for its own breaks ${taken.failure.check} after ${taken.schedules} schedules, with range flushes; P3 itself broke nothing in ${kept.schedules}.`,
      { witnesses: [taken.failure] },
    );
  },
});
