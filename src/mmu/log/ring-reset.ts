/** KVM_RESET_DIRTY_RINGS (kernel-facts A15, E3). */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { mutexLock, mutexUnlock } from '../../locks/mutex.ts';
import { EINVAL } from '../errno.ts';
import { flushRemoteTlbs } from '../flush.ts';
import type { Kvm } from '../kvm.ts';
import { VCPU } from '../vcpu-words.ts';
import { RING_HARVESTED, RING_SLOT_SHIFT, ringEntry } from './dirty-ring.ts';
import { enableLogDirtyMasked } from './masked.ts';
import { BITS_PER_LONG, lastBit } from './words.ts';

/** Pages of one slot that are reset together: bits of a 64-gfn word that starts at any offset. */
export class ResetMask {
  /** Index of the slot. */
  slot = 0;
  offset = 0;
  lo = 0;
  hi = 0;

  get empty(): boolean {
    return (this.lo | this.hi) === 0;
  }

  begin(slot: number, offset: number): void {
    this.slot = slot;
    this.offset = offset;
    this.lo = 1;
    this.hi = 0;
  }

  /** Takes the page in if it fits into the word, whichever way the guest scans; false if it does not. */
  add(slot: number, offset: number): boolean {
    if (this.empty || slot !== this.slot) return false;
    const delta = offset - this.offset;
    if (delta >= BITS_PER_LONG || delta <= -BITS_PER_LONG) return false;
    if (delta >= 0) {
      this.set(delta);
      return true;
    }
    if (lastBit(this.lo, this.hi) - delta >= BITS_PER_LONG) return false;
    this.shift(-delta);
    this.offset = offset;
    this.set(0);
    return true;
  }

  private set(bit: number): void {
    if (bit < 32) this.lo |= 1 << bit;
    else this.hi |= 1 << (bit - 32);
  }

  private shift(by: number): void {
    if (by >= 32) {
      this.hi = this.lo << (by - 32);
      this.lo = 0;
    } else {
      this.hi = (this.hi << by) | (this.lo >>> (32 - by));
      this.lo <<= by;
    }
  }
}

/**
 * The ioctl: slots_lock, `mmu_lock` for write per coalesced word, one flush of everything when both are dropped.
 * @returns entries freed; -EINVAL without rings
 */
export function* resetDirtyRings(kvm: Kvm, cpu: Cpu): Steps<number> {
  const { ringEntries, vcpus } = kvm.config;
  if (ringEntries === 0) return EINVAL;
  let cleared = 0;
  yield* mutexLock(cpu, kvm.slotsLock);
  kvm.oweFlush(1);
  for (let vcpu = 0; vcpu < vcpus; vcpu++) cleared += yield* resetRing(kvm, cpu, vcpu);
  yield* mutexUnlock(cpu, kvm.slotsLock);
  if (kvm.engine.flushAfterReset(cleared)) yield* flushRemoteTlbs(kvm, cpu, 'end-of-ioctl');
  kvm.oweFlush(-1);
  cpu.count(C.ringResets, cleared);
  return cleared;
}

/** kvm_dirty_ring_reset(). */
function* resetRing(kvm: Kvm, cpu: Cpu, vcpu: number): Steps<number> {
  const reset = kvm.vcpuWord(vcpu) + VCPU.ringReset;
  const mask = new ResetMask();
  for (let count = 0; ; count++) {
    const index = kvm.w[reset]!;
    const entry = ringEntry(kvm, vcpu, index);
    if (cpu.stepped && cpu.stops(Op.Load, entry)) yield;
    const value = cpu.load(entry);
    if ((value & RING_HARVESTED) === 0) {
      yield* resetDirtyGfns(kvm, cpu, mask);
      return count;
    }
    const slot = value >> RING_SLOT_SHIFT;
    const offset = kvm.w[entry + 1]!;
    if (cpu.stepped && cpu.stops(Op.Store, entry)) yield;
    cpu.store(entry, 0);
    if (cpu.stepped && cpu.stops(Op.Store, reset)) yield;
    cpu.store(reset, (index + 1) | 0);
    if (mask.add(slot, offset)) continue;
    yield* resetDirtyGfns(kvm, cpu, mask);
    mask.begin(slot, offset);
  }
}

/** kvm_reset_dirty_gfn(): slots may have gone since the entry was pushed. */
function* resetDirtyGfns(kvm: Kvm, cpu: Cpu, { slot: index, offset, lo, hi }: ResetMask): Steps<void> {
  if ((lo | hi) === 0) return;
  const slot = kvm.slots[index]!;
  if (slot.gone || offset + lastBit(lo, hi) >= slot.npages) return;
  yield* kvm.writeLock(cpu);
  yield* enableLogDirtyMasked(kvm, cpu, slot, offset, lo, hi);
  yield* kvm.writeUnlock(cpu);
}
