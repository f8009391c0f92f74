import { spTable } from '../../../mmu/shadow-page.ts';
import { defineVariant } from '../../../variants/define.ts';
import { exploreAll, proveAll } from '../clean.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** A TDP split that leaves the last entry of its table out: then a TLB that was not flushed covers a hole. */
const leavesHole = defineVariant({
  name: 'tdp-split-leaves-a-hole',
  summary: 'the TDP split leaves the last entry of the new table empty',
  kind: 'idea',
  facts: ['C4', 'D15'],
  caughtBy: [],
  apply: (base) => ({
    *tdpLinkSplitChild(kvm, cpu, iter, sp, shared) {
      const last = (kvm.tablesQ + (spTable(kvm, sp) << kvm.tableBits) + kvm.entries - 1) * 2;
      kvm.arena.put(last, 0);
      kvm.arena.put(last + 1, 0);
      return yield* base.tdpLinkSplitChild(kvm, cpu, iter, sp, shared);
    },
  }),
});

/** C4: the TDP MMU never needs a flush for a split. */
export default defineExperiment({
  id: 'C4',
  claim: 'A split of the TDP MMU never needs a flush, as its table is new and full.',
  facts: ['9.2', '4.3', '4.4', 'D15'],
  control: { variant: leavesHole, verdict: 'refuted' },
  async run(lab) {
    const l1 = { parameters: { l1Vcpus: 1 }, preemptions: 1 };
    const exact = await proveAll(lab, [
      { scenario: 'tiny-split', ...l1 },
      { scenario: 'tiny-notifier', ...l1 },
    ]);
    if (exact.failure !== undefined)
      return refuted('A check is broken without a flush.', { witnesses: [exact.failure] });
    if (!exact.complete || exact.searches.some(({ counters }) => counters.tdpSplits === 0))
      return open('The small machines were not searched to their end.');
    const { failure, schedules, searches } = await exploreAll(lab, [
      { scenario: 'tdp-races', schedules: 300 },
      { scenario: 'both-mmus', schedules: 150 },
      { scenario: 'both-mmus', parameters: { manual: 'initially-set' }, schedules: 150 },
      { scenario: 'tdp-races', variant: 'tdp-alloc-6.11', schedules: 150 },
    ]);
    if (failure !== undefined) return refuted('A check is broken without a flush.', { witnesses: [failure] });
    const splits = searches.reduce((sum, { counters }) => sum + counters.tdpSplits, 0);
    const figures = { 'TDP splits per schedule': splits / schedules };
    if (splits === 0) return open('Nothing was split in the TDP MMU.', { figures });
    return confirmed(
      `Nothing is broken in all of ${exact.text}, with L1 in the TDP MMU, nor was in ${schedules} random schedules with faults, the fast path, notifiers, aging and zaps beside ${splits} splits without a flush.`,
      { figures },
    );
  },
});
