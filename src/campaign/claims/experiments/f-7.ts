import { KVM } from '../../../mmu/kvm.ts';
import { roleDirect, roleLevel } from '../../../mmu/role.ts';
import { SP, spRole } from '../../../mmu/shadow-page.ts';
import { defineVariant, type Variant } from '../../../variants/define.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** Counts how often a pass that owes a flush comes to F7. */
const counting = (seen: { met: number }): Variant =>
  defineVariant({
    name: 'counts-f7',
    summary: 'counts the unsync pages that are zapped by a split while a flush is owed',
    kind: 'idea',
    facts: ['9.4'],
    caughtBy: [],
    apply: (base) => ({
      settleDebt: (pass, place) => {
        if (place === 'F7') seen.met++;
        return base.settleDebt(pass, place);
      },
    }),
  });

/** A split that takes some table of L1's for an unsync page of its gfn. */
const zapsTable = defineVariant({
  name: 'split-zaps-a-table',
  summary: 'a split zaps an indirect page of level 1 as if it were unsync and in the way',
  kind: 'idea',
  facts: ['9.4', '3.8'],
  caughtBy: [],
  apply: (base) => ({
    getSpForSplit: (pass, hugeSptep) => {
      const { kvm } = pass;
      for (
        let sp = kvm.get(KVM.activeHead);
        pass.owes && sp !== 0;
        sp = kvm.w[kvm.header(sp) + SP.linkNext]!
      ) {
        const role = spRole(kvm, sp);
        if (roleLevel(role) !== 1 || roleDirect(role)) continue;
        pass.unsyncHits.push(sp);
        break;
      }
      return base.getSpForSplit(pass, hugeSptep);
    },
  }),
});

/** F7: somebody else's full flush. */
export default defineExperiment({
  id: 'F7',
  claim:
    'A deferred flush is settled by the flush of an unsync page that the split zaps; to forget that costs, and breaks nothing.',
  facts: ['9.4', '3.8'],
  control: { variant: zapsTable, verdict: 'confirmed' },
  async run(lab) {
    const seen = { met: 0 };
    const common = { variant: ['p3-without-f7', counting(seen)], without: ['D24'] };
    const edits = await lab.explore({ ...common, scenario: 'l1-remap', schedules: 300 });
    // Nobody takes the lock away here, so that a flush is owed for long.
    const long = await lab.explore({
      ...common,
      scenario: 'narrow-reuse',
      parameters: { preempt: 'none', reschedRate: 0 },
      schedules: 200,
    });
    const failure = edits.failure ?? long.failure;
    if (failure !== undefined) return refuted('Something is missed.', { witnesses: [failure] });
    const schedules = edits.schedules + long.schedules;
    const figures = { 'times it was met': seen.met };
    if (seen.met === 0) {
      return open(
        `Nothing was broken in ${schedules} schedules of P3 that does not notice it, but no split met an unsync page while it owed a flush: that takes a ` +
          'table of L1 that is out of sync at the first page of a huge page being split. Missing is a machine that has one.',
        { figures },
      );
    }
    return confirmed(`Nothing was broken in ${schedules} schedules of P3 that does not notice it.`, {
      figures,
    });
  },
});
