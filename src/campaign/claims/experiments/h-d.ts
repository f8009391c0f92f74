import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** H-D: children take A and D from a snapshot of the huge SPTE. */
export default defineExperiment({
  id: 'H-D',
  claim:
    'The stale A and D bits in the children of a split would lose writes if nested pages were tracked by D bits.',
  facts: ['9.3', '3.10', 'D5', 'Q47'],
  // Nobody writes, so that nothing can be lost.
  control: { parameters: { writeFraction: 0, execFraction: 0 }, verdict: 'refuted' },
  async run(lab) {
    // What the wrong marking breaks at once, before anything is lost, does not count here.
    const machine = { scenario: 'pml', without: ['D24', 'Q31', 'Q44', 'Q49', 'D11'] };
    const variant = 'nested-uses-dirty-bits';
    const split = await lab.hunt({ ...machine, variant, parameters: { eager: true }, atMost: 1000 });
    if (split.failure === undefined) return refuted(`Nothing was lost in ${split.schedules} schedules.`);
    const lazy = await lab.hunt({ ...machine, variant, parameters: { eager: false }, atMost: 1000 });
    const clean = await lab.explore({ ...machine, without: [], schedules: 200 });
    if (clean.failure !== undefined)
      return refuted('Write protection does not help.', { witnesses: [clean.failure] });
    const kvm = `With write protection, as KVM has it, nothing was broken in ${clean.schedules} schedules`;
    if (lazy.failure !== undefined) {
      return open(
        `Tracking nested pages by D bits breaks ${split.failure.check}, but without any eager split as well (${lazy.failure.check}), so that this does not show the ` +
          `stale bits. Missing is a dirty log by D bits that works for nested pages. ${kvm}.`,
        { witnesses: [split.failure, lazy.failure] },
      );
    }
    return confirmed(`With D bits ${split.failure.check} is broken, and only with eager splits. ${kvm}.`, {
      witnesses: [split.failure],
    });
  },
});
