import { confirmed, defineExperiment, refuted } from '../define.ts';

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
    const without = ['D24', 'Q31', 'Q44', 'Q49', 'D11'];
    const lost = await lab.hunt({
      scenario: 'pml',
      variant: 'nested-uses-dirty-bits',
      without,
      atMost: 3000,
    });
    if (lost.failure === undefined) return refuted(`Nothing was lost in ${lost.schedules} schedules.`);
    const clean = await lab.explore({ scenario: 'pml', schedules: 200 });
    if (clean.failure !== undefined)
      return refuted('Write protection does not help.', { witnesses: [clean.failure] });
    return confirmed(
      `With D bits ${lost.failure.check} is broken after ${lost.schedules} schedules; with write protection, as KVM has it, nothing was in ${clean.schedules}.`,
      { witnesses: [lost.failure] },
    );
  },
});
