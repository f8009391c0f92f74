import { confirmed, defineExperiment, refuted } from '../define.ts';
import { WITHOUT_COUNT } from './f-place.ts';

/**
 * F5. Not settled by the smallest machine: a split that owes a flush and one that is refused after it take a child which is new in
 * between, and a level more.
 */
export default defineExperiment({
  id: 'F5',
  claim: 'A deferred flush must survive a head that is left with -ENOSPC or -ENOMEM.',
  facts: ['9.4', 'C6'],
  control: { variant: 'p2', verdict: 'refuted' },
  async run(lab) {
    const machine = { scenario: 'nx-partial-reuse', parameters: { mmuPages: 10 }, without: WITHOUT_COUNT };
    const lost = await lab.hunt({ ...machine, variant: 'p3-without-f5', atMost: 5000 });
    if (lost.failure === undefined)
      return refuted(`Forgetting the place broke nothing in ${lost.schedules} schedules.`);
    const kept = await lab.explore({ ...machine, variant: 'p3', schedules: 300 });
    if (kept.failure !== undefined)
      return refuted('P3 breaks although it carries the debt on.', { witnesses: [kept.failure] });
    return confirmed(
      `P3 that forgets it breaks ${lost.failure.check} after ${lost.schedules} random schedules; P3 itself broke nothing in ${kept.schedules}.`,
      { witnesses: [lost.failure] },
    );
  },
});
