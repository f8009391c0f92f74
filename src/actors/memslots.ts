/**
 * User space changes its memslots (kernel-facts A18): a slot is deleted and comes back, moves to other gfns, or has its
 * dirty log turned on and off. It leaves the slots it was given as it found them, save for a move.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { disableDirtyLogging, enableDirtyLogging, isLogged } from '../mmu/dirty-log.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import { createMemslot, deleteMemslot, moveMemslot } from '../mmu/memslot-change.ts';
import type { CastMember } from './cast.ts';
import type { ActorContext, CastOptions } from './context.ts';
import { playRounds } from './rounds.ts';

/** Most looks around while a slot is away, so that guests meet its absence. */
const LONGEST_ABSENCE = 16;

export const MEMSLOTS: CastMember = {
  summary: 'user space deletes, creates and moves memslots, and changes their flags',
  facts: ['A18', 'B-38', 'B-49', 'B-53'],
  moves: { recreate: 2, move: 1, flags: 1 },
  run: memslots,
};

export function* memslots(context: ActorContext, options: CastOptions): Steps<void> {
  const { kvm, cpu } = context;
  const slots = kvm.slots.filter(({ config }) => options.slots.includes(config.id));
  if (slots.length === 0) return;
  const draw = (): MemSlot => slots[cpu.workload.below(slots.length)]!;
  yield* playRounds(context, options, {
    *recreate() {
      const slot = draw();
      if ((yield* deleteMemslot(kvm, cpu, slot)) === 0) {
        yield* whileAway(kvm, cpu);
        yield* createMemslot(kvm, cpu, slot);
      } else yield* createUnlessShown(kvm, cpu, slot);
    },
    *move() {
      const slot = draw();
      const twin = twinOf(kvm, slot);
      if (twin === undefined) return;
      if (slot.gone) yield* moveMemslot(kvm, cpu, twin, slot);
      else yield* moveMemslot(kvm, cpu, slot, twin);
    },
    *flags() {
      const slot = draw();
      if (slot.gone) return;
      // One actor's own slots: nobody else changes their flags.
      if (isLogged(kvm, slot)) yield* disableDirtyLogging(kvm, cpu, slot);
      else yield* enableDirtyLogging(kvm, cpu, slot);
    },
  });
}

/** The slot that shows the same host memory at other gfns. */
const twinOf = (kvm: Kvm, slot: MemSlot): MemSlot | undefined =>
  kvm.slots.find((other) => other !== slot && other.config.basePfn === slot.config.basePfn);

/** A slot that was not there at first is created, unless its memory is shown elsewhere: then it is a move's target. */
function* createUnlessShown(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void> {
  const twin = twinOf(kvm, slot);
  if (twin === undefined || twin.gone) yield* createMemslot(kvm, cpu, slot);
}

/** A while in which the slot is not there. */
function* whileAway(kvm: Kvm, cpu: Cpu): Steps<void> {
  const word = kvm.base + KVM.finished;
  for (let looks = cpu.workload.below(LONGEST_ABSENCE); looks > 0; looks--) {
    if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
    if (cpu.load(word) !== 0) return;
    cpu.relax(word);
  }
}
