import { confirmed, defineExperiment, refuted } from '../define.ts';

/** H-H: the TDP part of CLEAR drops mmu_lock as well. */
export default defineExperiment({
  id: 'H-H',
  claim:
    'In KVM_CLEAR_DIRTY_LOG a deferred flush must be made before the TDP part, which drops mmu_lock on its own.',
  facts: ['9.3', '3.1', '9.4'],
  control: { variant: 'p2', verdict: 'refuted' },
  async run(lab) {
    // D20 looks at what is owed, and Q35 at the split: what a TLB keeps comes later.
    const machine = {
      scenario: 'nx-partial-reuse',
      parameters: { manual: 'initially-set', l1Vcpus: 1 },
      without: ['D24', 'Q35'],
    };
    const late = await lab.hunt({ ...machine, variant: 'p3-without-f4', atMost: 3000 });
    if (late.failure === undefined)
      return refuted(`Nothing was found in ${late.schedules} schedules without it.`);
    const kept = await lab.explore({ ...machine, variant: 'p3', schedules: 150 });
    if (kept.failure !== undefined)
      return refuted('P3 breaks although it flushes there.', { witnesses: [kept.failure] });
    return confirmed(
      `With L1 in the TDP MMU, P3 without that flush breaks ${late.failure.check} after ${late.schedules} schedules; with it nothing was broken in ${kept.schedules}.`,
      { witnesses: [late.failure] },
    );
  },
});
