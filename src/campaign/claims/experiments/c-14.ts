import { exploreAll } from '../clean.ts';
import { confirmed, defineExperiment, refuted } from '../define.ts';

/** C14 (0378739401cf): no flush is needed unless the reused child holds tables. */
export default defineExperiment({
  id: 'C14',
  claim: 'No flush is needed if the child is new, or reused and without tables.',
  facts: ['9.2', '3.10', 'H-A', 'H-B'],
  control: { variant: 'p2', verdict: 'confirmed' },
  async run(lab) {
    const { failure, schedules } = await exploreAll(lab, [
      { scenario: 'nested-migration', without: ['D24'], schedules: 100 },
      { scenario: 'alias-mixed-access', without: ['D24'], schedules: 150 },
      { scenario: 'nx-partial-reuse', without: ['D24'], schedules: 100 },
    ]);
    if (failure !== undefined)
      return refuted('A check is broken without those flushes.', { witnesses: [failure] });
    const recycled = await lab.hunt({
      scenario: 'alias-mixed-access',
      parameters: { recycleThreshold: 2 },
      without: ['D24'],
      atMost: 2000,
    });
    const clean = `nothing was broken in ${schedules} schedules in which no reverse map was recycled and no host page read-only`;
    if (recycled.failure === undefined)
      return confirmed(`Also with recycling: ${clean}, nor in ${recycled.schedules} with.`);
    return refuted(
      `Recycling empties entries of a new child while the huge SPTE is live (H-A): ${recycled.failure.check} after ${recycled.schedules} schedules. ` +
        `Reused leaves may be narrower (H-B). But for these two ${clean}.`,
      { witnesses: [recycled.failure] },
    );
  },
});
