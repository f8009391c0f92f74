import { exploreAll } from '../clean.ts';
import { confirmed, defineExperiment, refuted } from '../define.ts';

/** H-F: nothing makes a split get on under contention. */
export default defineExperiment({
  id: 'H-F',
  claim:
    'A nested split can give mmu_lock up for ever without splitting anything: nothing guarantees progress.',
  facts: ['9.3', '3.6', '10.2', 'D13'],
  control: { variant: 'one-split-per-hold', verdict: 'refuted' },
  async run(lab) {
    const machine = { scenario: 'two-roots', parameters: { memory: '64K', splitters: 4 } };
    const { failure, schedules } = await lab.hunt({ ...machine, atMost: 60 });
    if (failure === undefined) return refuted(`Every pass ended in ${schedules} schedules.`);
    const others = await exploreAll(lab, [
      { ...machine, parameters: { ...machine.parameters, preempt: 'voluntary' }, schedules: 40 },
      { ...machine, variant: 'one-split-per-hold', schedules: 40 },
    ]);
    if (others.failure !== undefined)
      return refuted('It has another cause than the look at contention.', { witnesses: [others.failure] });
    return confirmed(
      `Four splitters of one slot keep each other from splitting (${failure.check} after ${schedules} schedules). Where contention is not looked at ` +
        `(preempt voluntary), or with one split per hold guaranteed, all passes ended in ${others.schedules}.`,
      { witnesses: [failure] },
    );
  },
});
