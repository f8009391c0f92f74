import { confirmed, defineExperiment, refuted } from '../define.ts';

/** H-E: the range that the rmap walker flushes before it yields. */
export default defineExperiment({
  id: 'H-E',
  claim:
    'The range that the walker flushes before it yields is too short on a range backend, and log-off reaches it.',
  facts: ['9.3', '3.3', 'A17', 'D20'],
  control: { variant: 'yield-flushes-all', verdict: 'refuted' },
  async run(lab) {
    const machine = { scenario: 'log-cycle', parameters: { flushBackend: 'range-l2' }, without: ['D24'] };
    const short = await lab.hunt({ ...machine, atMost: 3000 });
    if (short.failure === undefined) return refuted(`Nothing went stale in ${short.schedules} schedules.`);
    const whole = await lab.explore({ ...machine, variant: 'yield-flushes-all', schedules: 200 });
    if (whole.failure !== undefined)
      return refuted('It is not the range: a full flush does not help.', { witnesses: [whole.failure] });
    return confirmed(
      `kvm_zap_collapsible_sptes() leaves translations behind when it yields: ${short.failure.check} after ${short.schedules} schedules. With a full ` +
        `flush before the yield nothing was broken in ${whole.schedules}. The split itself never owes anything there.`,
      { witnesses: [short.failure] },
    );
  },
});
