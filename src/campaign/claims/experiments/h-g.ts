import { proveAll } from '../clean.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** H-G: a second log-on splits into empty tables. */
export default defineExperiment({
  id: 'H-G',
  claim:
    'After logging was off, splitting a 1 GiB page again maps nothing: its old tables are reused, and they are empty.',
  facts: ['9.3', 'A17', '7.4-8', 'Q35'],
  control: { parameters: { backing: '2m' }, verdict: 'refuted' },
  async run(lab) {
    const exact = await proveAll(lab, [{ scenario: 'tiny-holes', preemptions: 3 }]);
    if (exact.failure !== undefined) return open('The machine fails.', { witnesses: [exact.failure] });
    if (!exact.complete) return open('The small machine was not searched to its end.');
    const cycle = { scenario: 'log-cycle', parameters: { vcpus: 1 } };
    const { failure, counters, schedules } = await lab.explore({ ...cycle, schedules: 150 });
    if (failure !== undefined) return open('The machine fails.', { witnesses: [failure] });
    const once = await lab.explore({
      scenario: 'nested-migration',
      parameters: { memory: '64K', vcpus: 1 },
      schedules: 150,
    });
    const figures = {
      'holes left per schedule': counters.holesLeft / schedules,
      'holes left per schedule, logging on once': once.counters.holesLeft / once.schedules,
      'faults per schedule': counters.faults / schedules,
      'faults per schedule, logging on once': once.counters.faults / once.schedules,
    };
    if (counters.holesLeft === 0) return refuted('Every split left its page mapped.', { figures });
    return confirmed(
      `Nothing is wrong (no check is broken in all of ${exact.text}, nor was in ${schedules} random schedules), and nothing is mapped: what was to be split eagerly is faulted in page by page.`,
      { figures },
    );
  },
});
