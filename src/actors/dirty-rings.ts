/**
 * User space's side of the dirty rings (kernel-facts A15), as QEMU does it: whoever reaps, the migration or a vCPU whose
 * ring is full, harvests all rings into the slots' bitmaps and has them reset, all under one lock. A page may be copied
 * only after the reset that write-protected it, so the migration takes bits over under the same lock.
 *
 * With rings the kernel has no bitmap; the words of the slot's dirty bitmap are then user space's.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { RING_DIRTIED, RING_HARVESTED, RING_SLOT_SHIFT, ringEntry } from '../mmu/log/dirty-ring.ts';
import { resetDirtyRings } from '../mmu/log/ring-reset.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import type { Vcpu } from '../mmu/vcpu.ts';
import { VCPU } from '../mmu/vcpu-words.ts';
import { lockUserSpace, unlockUserSpace } from './user-lock.ts';

/** Takes what a vCPU has pushed so far; the caller holds the lock of user space. Returns the entries taken. */
function* harvestRing(kvm: Kvm, cpu: Cpu, vcpu: number): Steps<number> {
  const harvest = kvm.vcpuWord(vcpu) + VCPU.ringHarvest;
  for (let count = 0; ; count++) {
    const index = kvm.w[harvest]!;
    const entry = ringEntry(kvm, vcpu, index);
    if (cpu.stepped && cpu.stops(Op.Load, entry)) yield;
    const value = cpu.load(entry);
    if ((value & RING_DIRTIED) === 0) return count;
    const slot = kvm.slots[value >> RING_SLOT_SHIFT]!;
    const offset = kvm.w[entry + 1]!;
    const word = slot.layout.dirtyBitmap + (offset >>> 5);
    kvm.arena.put(word, kvm.w[word]! | (1 << (offset & 31)));
    if (cpu.stepped && cpu.stops(Op.Store, entry)) yield;
    cpu.store(entry, (value & ~RING_DIRTIED) | RING_HARVESTED);
    kvm.arena.put(harvest, (index + 1) | 0);
  }
}

/** Harvests every ring and has the entries reset; the caller holds the lock of user space. */
export function* reapDirtyRings(kvm: Kvm, cpu: Cpu): Steps<void> {
  let entries = 0;
  for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) entries += yield* harvestRing(kvm, cpu, vcpu);
  cpu.count(C.dirtyHarvested, entries);
  if (entries > 0) yield* resetDirtyRings(kvm, cpu);
}

/** KVM_EXIT_DIRTY_RING_FULL: the vCPU's own thread reaps before it enters the guest again. */
export function* onDirtyRingFull(vcpu: Vcpu): Steps<void> {
  const { kvm, cpu } = vcpu;
  yield* lockUserSpace(kvm, cpu);
  yield* reapDirtyRings(kvm, cpu);
  yield* unlockUserSpace(kvm, cpu);
  vcpu.ringFull = false;
}

/** What was harvested of the slot becomes the migration's to copy; the caller holds the lock of user space. */
export function takeHarvested(kvm: Kvm, slot: MemSlot): void {
  const { dirtyBitmap, userBitmap, bitmapWords } = slot.layout;
  for (let word = 0; word < bitmapWords; word++) {
    const bits = kvm.w[dirtyBitmap + word]!;
    if (bits === 0) continue;
    kvm.arena.put(userBitmap + word, kvm.w[userBitmap + word]! | bits);
    kvm.arena.put(dirtyBitmap + word, 0);
  }
}

/** True if threads of user space other than the migration's work on the dirty log of these slots. */
export const sharesDirtyLog = (kvm: Kvm, slots: readonly MemSlot[]): boolean =>
  kvm.config.ringEntries > 0 || slots.some(({ config }) => kvm.config.toggledSlots.includes(config.id));

/** Slots by bit, as `KVM.firstCopyDone` and `KVM.recopySlots` name them. */
export const slotBit = (kvm: Kvm, slot: MemSlot): number => 1 << kvm.slots.indexOf(slot);

/**
 * Logging was off for a while, so the log cannot tell what was written: everything is to be copied again. The caller holds
 * the lock of user space, and logging is on again.
 */
export function takeRecopy(kvm: Kvm, slot: MemSlot): void {
  const bit = slotBit(kvm, slot);
  if ((kvm.get(KVM.recopySlots) & bit) === 0) return;
  kvm.put(KVM.recopySlots, kvm.get(KVM.recopySlots) & ~bit);
  const { userBitmap, bitmapWords } = slot.layout;
  kvm.arena.touchRange(userBitmap, bitmapWords);
  for (let word = 0; word < bitmapWords; word++) {
    const bits = Math.min(32, Math.max(0, slot.npages - word * 32));
    kvm.w[userBitmap + word] = bits === 32 ? -1 : (1 << bits) - 1;
  }
  kvm.put(KVM.firstCopyDone, kvm.get(KVM.firstCopyDone) | bit);
}
