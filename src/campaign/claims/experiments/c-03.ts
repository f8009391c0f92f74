import { SPTE_PS } from '../../../mmu/format.ts';
import { spTable } from '../../../mmu/shadow-page.ts';
import { defineVariant } from '../../../variants/define.ts';
import { proveAll } from '../clean.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';
import { ONLY_DAMAGE } from './f-place.ts';

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
    const without = ['D24'];
    const tiny = { scenario: 'tiny-holes', preemptions: 3 };
    const never = await lab.prove({
      scenario: 'tiny-holes',
      variant: 'p4',
      without: ONLY_DAMAGE,
      preemptions: 2,
      atMost: 20_000,
    });
    if (never.failure === undefined) {
      return refuted(
        `No translation goes stale in all ${never.schedules} schedules of the smallest machine without any flush for splits.`,
      );
    }
    const exact = await proveAll(lab, [{ ...tiny, without }]);
    const clean = await lab.explore({ scenario: 'nx-partial-reuse', without, schedules: 300 });
    const failure = exact.failure ?? clean.failure;
    if (failure !== undefined) return refuted('The flush of P1 is not enough.', { witnesses: [failure] });
    if (!exact.complete) return open('The small machine was not searched to its end.');
    return confirmed(
      `Without the flush the host takes a page that a TLB still leads to: ${never.failure.check}, by ${never.failure.preemptions} preemption. With that of P1 nothing is ` +
        `broken in all of ${exact.text}, nor was in ${clean.schedules} random schedules with a child that is partly filled.`,
      { witnesses: [never.failure] },
    );
  },
});
