import { defineVariant, type Variant } from '../../../variants/define.ts';
import { proveAll } from '../clean.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

const threshold = (pages: number): Variant =>
  defineVariant({
    name: `split-leaves-${pages}-pages`,
    summary: `the split refuses as soon as ${pages} MMU pages or fewer are available`,
    kind: 'idea',
    facts: ['C2', '3.5'],
    caughtBy: [],
    apply: () => ({ splitMinFreePages: pages }),
  });

/** C2: that a split refuses with five free pages or fewer is policy. */
export default defineExperiment({
  id: 'C2',
  claim: 'Refusing to split when few MMU pages are free is policy; no threshold is needed for correctness.',
  facts: ['9.2', '3.5', 'A21', '7.4-10'],
  control: { variant: 'no-restart-after-eagain', verdict: 'refuted' },
  async run(lab) {
    const figures: Record<string, number> = {};
    let schedules = 0;
    const texts: string[] = [];
    // With nine pages a threshold of five is met at once; one machine in which a fault needs tables while the split does.
    for (const pages of [0, 5, 20]) {
      const { failure, complete, text } = await proveAll(lab, [
        { scenario: 'tiny-split', parameters: { mmuPages: 9 }, variant: [threshold(pages)] },
      ]);
      if (failure !== undefined)
        return refuted(`With a threshold of ${pages} pages a check is broken.`, { witnesses: [failure] });
      if (!complete) return open('The small machine was not searched to its end.');
      texts.push(text);
    }
    for (const pages of [0, 5, 20]) {
      const {
        failure,
        counters,
        schedules: run,
      } = await lab.explore({
        scenario: 'enospc',
        parameters: { mmuPages: 10 },
        variant: [threshold(pages)],
        schedules: 150,
      });
      if (failure !== undefined)
        return refuted(`With a threshold of ${pages} pages a check is broken.`, { witnesses: [failure] });
      schedules += run;
      figures[`splits, threshold ${pages}`] = counters.splitOk / run;
      figures[`refused, threshold ${pages}`] = counters.splitEnospc / run;
      figures[`pages reclaimed, threshold ${pages}`] = counters.pagesReclaimed / run;
    }
    return confirmed(
      `Nothing is broken in all of ${texts[0]} with nine MMU pages and each threshold, nor was in ${schedules} random schedules with thresholds of 0, 5 and 20 pages and 10 MMU pages in all. What the threshold ` +
        'decides is who pays: the figures are per schedule.',
      { figures },
    );
  },
});
