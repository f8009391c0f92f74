import { exploreAll, proveAll } from '../clean.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** C14 (0378739401cf): no flush is needed unless the reused child holds tables. */
export default defineExperiment({
  id: 'C14',
  claim: 'No flush is needed if the child is new, or reused and without tables.',
  facts: ['9.2', '3.10', 'H-A', 'H-B'],
  control: { variant: 'p2', verdict: 'confirmed' },
  async run(lab) {
    const exact = await proveAll(lab, [
      { scenario: 'tiny-split', without: ['D24'], preemptions: 2 },
      { scenario: 'tiny-notifier', without: ['D24'], preemptions: 2 },
    ]);
    if (exact.failure !== undefined)
      return refuted('A check is broken without those flushes.', { witnesses: [exact.failure] });
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
    const clean = `nothing is broken with new children in all of ${exact.text}, nor was in ${schedules} random schedules in which no reverse map was recycled and no host page read-only`;
    if (recycled.failure === undefined && !exact.complete)
      return open('The small machines were not searched to their end.');
    if (recycled.failure === undefined)
      return confirmed(`Also with recycling: ${clean}, nor in ${recycled.schedules} with.`);
    return refuted(
      `Recycling empties entries of a new child while the huge SPTE is live (H-A): ${recycled.failure.check} after ${recycled.schedules} schedules. ` +
        `Reused leaves may be narrower (H-B). But for these two ${clean}.`,
      { witnesses: [recycled.failure] },
    );
  },
});
