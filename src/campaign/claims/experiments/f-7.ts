import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** F7: somebody else's full flush. */
export default defineExperiment({
  id: 'F7',
  claim:
    'A deferred flush is settled by the flush of an unsync page that the split zaps; to forget that costs, and breaks nothing.',
  facts: ['9.4', '3.8'],
  control: { variant: 'p3-without-f3', verdict: 'refuted' },
  async run(lab) {
    const machine = {
      scenario: 'l1-remap',
      parameters: { backing: '1g', memory: '64K' },
      without: ['D24'],
      schedules: 200,
    };
    const forgets = await lab.explore({ ...machine, variant: 'p3-without-f7' });
    const partial = await lab.explore({
      ...machine,
      scenario: 'nx-partial-reuse',
      parameters: {},
      variant: 'p3-without-f7',
    });
    const failure = forgets.failure ?? partial.failure;
    if (failure !== undefined) return refuted('Something is missed.', { witnesses: [failure] });
    const figures = {
      'pages that go out of sync, per schedule': forgets.counters.unsyncPages / forgets.schedules,
      'splits per schedule': forgets.counters.splitOk / forgets.schedules,
    };
    if (forgets.counters.splitOk === 0) return open('Nothing was split.', { figures });
    return confirmed(
      `Nothing was broken in ${forgets.schedules + partial.schedules} schedules of P3 that does not notice it: its own flush comes anyhow.`,
      { figures },
    );
  },
});
