import { exploreAll } from '../clean.ts';
import { confirmed, defineExperiment, refuted } from '../define.ts';

/** H-A: recycling during a split leaves a hole, and P1 does not flush for it. */
export default defineExperiment({
  id: 'H-A',
  claim:
    'A reverse map that is recycled in the middle of a split leaves a hole under a translation that P1 does not flush.',
  facts: ['9.3', '3.7', '1.3', 'Q35'],
  control: { variant: 'recycle-makes-flush', verdict: 'refuted' },
  async run(lab) {
    const machine = { scenario: 'alias-mixed-access', parameters: { recycleThreshold: 2 }, without: ['D24'] };
    const { failure, schedules } = await lab.hunt({ ...machine, atMost: 3000 });
    if (failure === undefined) return refuted(`Nothing went stale in ${schedules} schedules.`);
    const others = await exploreAll(
      lab,
      ['p0', 'p2', 'recycle-makes-flush'].map((variant) => ({ ...machine, variant, schedules: 150 })),
    );
    if (others.failure !== undefined)
      return refuted('It is not P1 alone: an engine that flushes after the drop breaks too.', {
        witnesses: [others.failure],
      });
    return confirmed(
      `P1 breaks ${failure.check} after ${schedules} schedules with a threshold of 2 (KVM: 1000). P0, P2 and P1 with one flush more, if the ` +
        `split has recycled, broke nothing in ${others.schedules}.`,
      { witnesses: [failure] },
    );
  },
});
