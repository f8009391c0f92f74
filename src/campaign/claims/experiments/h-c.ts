import { defineVariant } from '../../../variants/define.ts';
import { confirmed, defineExperiment, refuted } from '../define.ts';

const alwaysFlushes = defineVariant({
  name: 'enable-always-flushes',
  summary: 'the end of enabling always flushes (b64d740ea7dd)',
  kind: 'idea',
  facts: ['H-C', 'B-03'],
  caughtBy: [],
  apply: () => ({ flushAfterEnable: () => true }),
});

/** H-C: access tracking and a conditional flush at the end of enabling. */
export default defineExperiment({
  id: 'H-C',
  claim:
    'Without A and D bits P0 can return from enabling the log while a TLB still has W: its last flush is conditional.',
  facts: ['9.3', '5.6', 'B-03', 'D11'],
  control: { variant: alwaysFlushes, verdict: 'refuted' },
  async run(lab) {
    const machine = {
      scenario: 'aging',
      parameters: { hostAdBits: false, l1AdBits: false },
      without: ['D24'],
    };
    const bad = await lab.hunt({ ...machine, variant: 'p0', atMost: 4000 });
    if (bad.failure === undefined)
      return refuted(`No write went unlogged in ${bad.schedules} schedules of P0.`);
    const good = await lab.explore({ ...machine, schedules: 300 });
    if (good.failure !== undefined) return refuted('P1 breaks as well.', { witnesses: [good.failure] });
    return confirmed(
      `P0 breaks ${bad.failure.check} after ${bad.schedules} schedules; P1, whose last flush is unconditional (since 6.0), broke nothing in ${good.schedules}.`,
      { witnesses: [bad.failure] },
    );
  },
});
