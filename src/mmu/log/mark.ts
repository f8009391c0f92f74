/** What puts a page into the dirty log (kernel-facts D19, B-08). */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { writeGuestPage } from '../host/user-access.ts';
import type { Kvm } from '../kvm.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, type MemSlot } from '../memslot.ts';
import type { Vcpu } from '../vcpu.ts';
import { storeGuestPte } from '../guest-store.ts';
import { mayHoldTable } from '../shadow-page.ts';
import { dirtyRingPush } from './dirty-ring.ts';

/**
 * mark_page_dirty_in_slot() of a slot that is logged: into the ring of the vCPU that runs, or into the bitmap. The page is
 * in the log before, or in the same section as, W (D19).
 */
export function* markPageDirty(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<void> {
  if (kvm.config.ringEntries > 0) {
    yield* dirtyRingPush(kvm, cpu, slot, gfn);
    kvm.observer.dirtied(cpu, slot.config.id, gfn);
    return;
  }
  const bit = gfn - slot.baseGfn;
  const word = slot.layout.dirtyBitmap + (bit >>> 5);
  if (cpu.stepped && cpu.stops(Op.Or, word)) yield;
  const old = cpu.or(word, 1 << (bit & 31));
  if ((old & (1 << (bit & 31))) === 0) cpu.count(C.dirtySet);
  kvm.observer.dirtied(cpu, slot.config.id, gfn);
}

/** A write that KVM emulates because the page must stay read-only: the store, then the dirty bit (B-08). */
export function* emulateWrite(vcpu: Vcpu, slot: MemSlot, gfn: number): Steps<void> {
  const { kvm, cpu } = vcpu;
  const index = yield* storeGuestPte(vcpu, gfn);
  const version = yield* writeGuestPage(kvm, cpu, slot, gfn);
  if (cpu.stepped && cpu.stops(Op.Load, slot.flagsWord)) yield;
  const logged = (cpu.load(slot.flagsWord) & KVM_MEM_LOG_DIRTY_PAGES) !== 0;
  if (logged && kvm.engine.emulatedWriteIsMarked(vcpu)) yield* markPageDirty(kvm, cpu, slot, gfn);
  if (kvm.config.l1Vcpus === 0 || !mayHoldTable(kvm, gfn)) return;
  // A write of plain data to a table page says which entry it meant by nothing but its count.
  const written = index < 0 ? version & (kvm.entries - 1) : index;
  const misaligned = index >= 0 && vcpu.store.partial;
  yield* kvm.engine.kvmMmuPteWrite(kvm, cpu, { gfn, index: written, misaligned });
}
