/**
 * The host changes where guest memory is (kernel-facts A9 to A11, 5.4): it swaps pages out, migrates them, merges equal
 * ones (KSM), lets go of a sharing in place, and puts huge pages together again. Whoever uses such a page through what was
 * true before uses memory that may be somebody else's by now (D7).
 */
import { collapse, makeWritable, mergePage, migratePages, swapOut } from '../mmu/host/host-memory.ts';
import type { Steps } from '../cpu/steps.ts';
import type { CastMember } from './cast.ts';
import type { ActorContext, CastOptions } from './context.ts';
import { drawRange } from './host-range.ts';
import { playRounds } from './rounds.ts';

export const MMU_NOTIFIER: CastMember = {
  summary: 'the host swaps out, migrates, merges and collapses pages of the guest',
  facts: ['A9', 'A10', 'A11', '5.4', 'Q24', 'D7'],
  moves: { unmap: 3, migrate: 3, cow: 2, writableInPlace: 1, collapse: 1 },
  run: mmuNotifier,
};

export function* mmuNotifier(context: ActorContext, options: CastOptions): Steps<void> {
  const { kvm, cpu } = context;
  const slots = kvm.slots.filter(({ config }) => options.slots.includes(config.id));
  yield* playRounds(context, options, {
    *unmap() {
      const range = drawRange(kvm, cpu, slots);
      if (range !== undefined) yield* swapOut(kvm, cpu, range.slot, range.start, range.end);
    },
    *migrate() {
      const range = drawRange(kvm, cpu, slots);
      if (range !== undefined) yield* migratePages(kvm, cpu, range.slot, range.start, range.end);
    },
    *cow() {
      const range = drawRange(kvm, cpu, slots);
      // Half of the time as before 2012, so that there is something for change_pte to change.
      const unmapsFirst = cpu.workload.chance(0.5);
      if (range !== undefined) yield* mergePage(kvm, cpu, range.slot, range.start, unmapsFirst);
    },
    *writableInPlace() {
      const range = drawRange(kvm, cpu, slots);
      if (range === undefined) return;
      for (let gfn = range.start; gfn < range.end; gfn++) yield* makeWritable(kvm, cpu, range.slot, gfn);
    },
    *collapse() {
      const range = drawRange(kvm, cpu, slots);
      if (range === undefined || range.slot.config.backing === 1) return;
      yield* collapse(kvm, cpu, range.slot, range.start, 2);
    },
  });
}
