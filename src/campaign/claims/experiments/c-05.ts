import { exploreAll, proveAll } from '../clean.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** C5: as committed, each split flushes between the drop and the link. */
export default defineExperiment({
  id: 'C5',
  claim:
    'As committed, every split flushes after it drops the huge SPTE and before it links the child, and that is enough.',
  facts: ['9.2', '3.10', 'D24', 'B-14', 'B-17'],
  control: { variant: 'p4', verdict: 'refuted' },
  async run(lab) {
    const variant = 'p0';
    const exact = await proveAll(lab, [
      { scenario: 'tiny-split', variant, preemptions: 2 },
      { scenario: 'tiny-holes', variant, preemptions: 2 },
    ]);
    if (exact.failure !== undefined)
      return refuted('A check is broken under P0.', { witnesses: [exact.failure] });
    if (!exact.complete) return open('The small machines were not searched to their end.');
    const { failure, schedules, searches } = await exploreAll(lab, [
      { scenario: 'nested-migration', variant, schedules: 150 },
      { scenario: 'alias-same-access', variant, schedules: 150 },
      { scenario: 'nx-partial-reuse', variant, schedules: 150 },
      { scenario: 'range-flush', parameters: { flushBackend: 'full' }, variant, schedules: 100 },
    ]);
    if (failure !== undefined) return refuted('A check is broken under P0.', { witnesses: [failure] });
    const sum = (of: 'splitOk' | 'flushSplit'): number =>
      searches.reduce((total, { counters }) => total + counters[of], 0);
    const figures = { splits: sum('splitOk'), 'flushes for splits': sum('flushSplit') };
    if (figures.splits !== figures['flushes for splits'])
      return refuted('The flushes are not as many as the splits.', { figures });
    const ranges = await lab.hunt({ scenario: 'range-flush', variant, atMost: 3000 });
    const beyond =
      ranges.failure === undefined
        ? ''
        : ` On a backend that flushes ranges it is not so (${ranges.failure.check}): P0 names the wrong gfns (B-14, B-17).`;
    return confirmed(
      `One flush for each split, and nothing broken in all of ${exact.text}, nor in ${schedules} random schedules, where a flush is full.${beyond}`,
      {
        figures,
        witnesses: [ranges.failure],
      },
    );
  },
});
