import { exploreAll, proveAll } from '../clean.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** C1: that only pages in guest mode are split eagerly is policy. */
export default defineExperiment({
  id: 'C1',
  claim:
    'Splitting only pages in guest mode is policy: eager splitting of all shadow pages would be correct.',
  facts: ['9.2', '3.1', '3.4', 'H-D'],
  control: { variant: 'ps-kept-at-4k', verdict: 'refuted' },
  async run(lab) {
    const common = { scenario: 'legacy-shadow', variant: 'no-guest-mode-check', schedules: 150 };
    const exact = await proveAll(lab, [
      {
        scenario: 'tiny-split',
        variant: 'no-guest-mode-check',
        parameters: { tdpMmu: false, l1Vcpus: 1 },
        preemptions: 1,
      },
    ]);
    if (exact.failure !== undefined)
      return refuted('A split of pages that are not nested breaks a check.', { witnesses: [exact.failure] });
    if (!exact.complete) return open('The small machine was not searched to its end.');
    const eager = { eager: true };
    const { failure, schedules, searches } = await exploreAll(lab, [
      { ...common, parameters: eager },
      { ...common, parameters: { ...eager, format: 'npt' } },
      { ...common, parameters: { ...eager, mmuPages: 14 } },
      { ...common, parameters: { ...eager, manual: 'initially-set' } },
    ]);
    if (failure !== undefined)
      return refuted('A split of pages that are not nested breaks a check.', { witnesses: [failure] });
    const splits = searches.reduce((sum, { counters }) => sum + counters.splitOk, 0);
    return confirmed(
      `Nothing is broken in all of ${exact.text}, nor was in ${schedules} random schedules, without the TDP MMU, in which L1's own pages are split as well. It holds for ` +
        'logging by write protection and 64-bit tables: SMM, 32-bit guests (quadrants) and PML without the TDP MMU are not in the model.',
      { figures: { 'splits per schedule': splits / schedules } },
    );
  },
});
