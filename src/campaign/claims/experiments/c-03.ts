import { SPTE_PS } from '../../../mmu/format.ts';
import { spTable } from '../../../mmu/shadow-page.ts';
import { defineVariant } from '../../../variants/define.ts';
import { confirmed, defineExperiment, refuted } from '../define.ts';

/** A design in which the claim is not so: a child that holds tables is not linked, and its page stays huge. */
const refusesTables = defineVariant({
  name: 'refuses-children-with-tables',
  summary: 'a split leaves the page huge if the child it finds holds tables',
  kind: 'idea',
  facts: ['C3'],
  caughtBy: [],
  apply: (base) => ({
    getSpForSplit: (pass, hugeSptep) => {
      const sp = base.getSpForSplit(pass, hugeSptep);
      if (sp === 0 || !pass.childReused || pass.level < 3) return sp;
      const { kvm } = pass;
      const first = (kvm.tablesQ + (spTable(kvm, sp) << kvm.tableBits)) * 2;
      for (let i = 0; i < kvm.entries; i++) {
        const lo = kvm.w[first + i * 2]!;
        if (lo !== 0 && (lo & SPTE_PS) === 0) return 0;
      }
      return sp;
    },
  }),
});

/** C3: some of the tables below a reused child may be partial, so that linking it may need a flush. */
export default defineExperiment({
  id: 'C3',
  claim: 'Linking a reused child may need a flush, as the tables below it may be filled only in part.',
  facts: ['9.2', '3.7', '7.4-7', 'Q50'],
  control: { variant: refusesTables, verdict: 'refuted' },
  async run(lab) {
    const scenario = 'nx-partial-reuse';
    const without = ['D24'];
    const never = await lab.hunt({ scenario, variant: 'p4', without, atMost: 2000 });
    const clean = await lab.explore({ scenario, without, schedules: 500 });
    if (never.failure === undefined)
      return refuted(
        `No translation went stale in ${never.schedules} schedules without any flush for splits.`,
      );
    if (clean.failure !== undefined)
      return refuted('The flush of P1 is not enough.', { witnesses: [clean.failure] });
    return confirmed(
      `Without the flush a TLB keeps a 1 GiB translation over holes: ${never.failure.check} after ${never.schedules} schedules. With ` +
        `that of P1 nothing was broken in ${clean.schedules}.`,
      { witnesses: [never.failure] },
    );
  },
});
