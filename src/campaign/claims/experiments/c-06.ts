import { exploreAll, proveAll } from '../clean.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** C6: the flush could wait until mmu_lock is dropped. */
export default defineExperiment({
  id: 'C6',
  claim: 'The flush of many splits could be made once, just before mmu_lock is dropped.',
  facts: ['9.2', '9.4', 'D20'],
  control: { variant: 'p3-without-f3', verdict: 'refuted' },
  async run(lab) {
    const variant = 'p3';
    const exact = await proveAll(lab, [
      { scenario: 'tiny-holes', parameters: { memory: '128K' }, variant, preemptions: 3 },
      { scenario: 'tiny-holes', parameters: { manual: 'initially-set' }, variant, preemptions: 3 },
    ]);
    if (exact.failure !== undefined)
      return refuted('A flush comes too late.', { witnesses: [exact.failure] });
    if (!exact.complete) return open('The small machines were not searched to their end.');
    const { failure, schedules, searches } = await exploreAll(lab, [
      { scenario: 'nx-partial-reuse', variant, schedules: 300 },
      { scenario: 'nx-partial-reuse', parameters: { manual: 'initially-set' }, variant, schedules: 150 },
      { scenario: 'nx-partial-reuse', parameters: { flushBackend: 'range-l2' }, variant, schedules: 150 },
      { scenario: 'log-cycle', variant, schedules: 100 },
      { scenario: 'both-mmus', parameters: { manual: 'initially-set' }, variant, schedules: 100 },
    ]);
    if (failure !== undefined) return refuted('A flush comes too late.', { witnesses: [failure] });
    const sum = (of: 'splitOk' | 'flushSplit'): number =>
      searches.reduce((total, { counters }) => total + counters[of], 0);
    return confirmed(
      `With a flush at each of the places F1 to F4, and the debt carried past F5 to F8, nothing is broken in all of ${exact.text}, nor was in ${schedules} random schedules. Each of ` +
        'them is needed: see F1 to F9.',
      { figures: { splits: sum('splitOk'), 'flushes for splits': sum('flushSplit') } },
    );
  },
});
