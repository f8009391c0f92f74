/**
 * User space turns dirty logging of a slot off and on again (kernel-facts A17, A16), which zaps or rebuilds what could be
 * mapped larger and splits it anew: reused and parentless tables (7.4 recipe 8), huge pages that come back (H-G, B-43).
 *
 * What is written while logging is off is in no log. If the slot is being migrated it is therefore the migration that must
 * copy all of its pages once more: this actor holds the lock of user space from before the log goes off until the slot is
 * marked for that (`KVM.recopySlots`), so that no harvest, the last one included, falls into the gap. A slot that is not
 * logged is turned on and off instead, so that it stays as it was found.
 */
import { C } from '../cpu/counters.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { disableDirtyLogging, enableDirtyLogging, isLogged } from '../mmu/dirty-log.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import type { CastMember } from './cast.ts';
import type { ActorContext, CastOptions } from './context.ts';
import { slotBit } from './dirty-rings.ts';
import { playRounds } from './rounds.ts';
import { lockUserSpace, unlockUserSpace } from './user-lock.ts';

/** Most looks around between two changes, so that guests get to fault in between. */
const LONGEST_GAP = 16;

export const LOG_TOGGLE: CastMember = {
  summary: 'user space turns dirty logging off and on again, or on and off',
  facts: ['A16', 'A17'],
  moves: { toggle: 1 },
  run: logToggle,
};

export function* logToggle(context: ActorContext, options: CastOptions): Steps<void> {
  const { kvm, cpu } = context;
  const slots = kvm.slots.filter(({ config }) => options.slots.includes(config.id));
  yield* playRounds(context, options, {
    toggle: () => toggle(kvm, cpu, slots[cpu.workload.below(slots.length)]!),
  });
}

function* toggle(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void> {
  yield* lockUserSpace(kvm, cpu);
  // Only user space changes the flag of a slot, and it holds its lock.
  if (isLogged(kvm, slot)) {
    const bit = slotBit(kvm, slot);
    if ((kvm.get(KVM.firstCopyDone) & bit) !== 0) {
      kvm.put(KVM.firstCopyDone, kvm.get(KVM.firstCopyDone) & ~bit);
    }
    kvm.put(KVM.recopySlots, kvm.get(KVM.recopySlots) | bit);
    yield* disableDirtyLogging(kvm, cpu, slot);
    yield* gap(kvm, cpu);
    // A migration goes on: where there is no memory for the bitmap user space tries until there is.
    while ((yield* enableDirtyLogging(kvm, cpu, slot)) !== 0);
  } else if ((yield* enableDirtyLogging(kvm, cpu, slot)) === 0) {
    yield* gap(kvm, cpu);
    yield* disableDirtyLogging(kvm, cpu, slot);
  }
  cpu.count(C.logToggles);
  yield* unlockUserSpace(kvm, cpu);
}

/** A while in which guests run with the log as it is now. */
function* gap(kvm: Kvm, cpu: Cpu): Steps<void> {
  const word = kvm.base + KVM.finished;
  for (let looks = cpu.workload.below(LONGEST_GAP); looks > 0; looks--) {
    if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
    if (cpu.load(word) !== 0) return;
    cpu.relax(word);
  }
}
