/** KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG (kernel-facts A13, A14, E2). */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { mutexLock, mutexUnlock } from '../../locks/mutex.ts';
import { ENOENT, ENXIO } from '../errno.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { KVM, type Kvm } from '../kvm.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, type MemSlot } from '../memslot.ts';
import { enableLogDirtyMasked } from './masked.ts';
import { syncDirtyLog } from './pml.ts';
import { BITS_PER_LONG, lowBits, popcount } from './words.ts';

/** 0, or why the bitmap of the slot cannot be had: the ring is in its place, or the slot is not logged. */
function refusal(kvm: Kvm, slot: MemSlot): number {
  if (kvm.config.ringEntries > 0) return ENXIO;
  return (kvm.w[slot.flagsWord]! & KVM_MEM_LOG_DIRTY_PAGES) === 0 ? ENOENT : 0;
}

/**
 * KVM_GET_DIRTY_LOG into the slot's user bitmap. Without manual protection it also clears and write-protects (A13).
 * @returns dirty pages reported; -ENXIO with the dirty ring, -ENOENT if the slot is not logged
 */
export function* getDirtyLog(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<number> {
  yield* mutexLock(cpu, kvm.slotsLock);
  const error = refusal(kvm, slot);
  if (error !== 0) {
    yield* mutexUnlock(cpu, kvm.slotsLock);
    return error;
  }
  kvm.observer.ioctl(cpu, 'get', slot.config.id, true);
  yield* syncDirtyLog(kvm, cpu);
  const manual = kvm.get(KVM.manualProtect) !== 0;
  let dirty = 0;
  let flush = false;
  if (!manual) {
    yield* kvm.writeLock(cpu);
    kvm.oweFlush(1);
  }
  for (let word = 0; word < slot.layout.bitmapWords; word += 2) {
    const at = slot.layout.dirtyBitmap + word;
    if (cpu.stepped && cpu.stops(Op.Load64, at)) yield;
    cpu.load64(at >> 1);
    if ((cpu.lo | cpu.hi) === 0) continue;
    if (!manual) {
      if (cpu.stepped && cpu.stops(Op.Exchange64, at)) yield;
      cpu.exchange64(at >> 1, 0, 0);
    }
    // exchange64 and load64 both leave what was read.
    const { lo, hi } = cpu;
    copyToUser(kvm, slot, word, lo, hi);
    dirty += popcount(lo) + popcount(hi);
    if (!manual && (lo | hi) !== 0) {
      flush = true;
      yield* enableLogDirtyMasked(kvm, cpu, slot, word * 32, lo, hi);
    }
  }
  if (!manual) yield* kvm.writeUnlock(cpu);
  if (flush) yield* flushRemoteTlbs(kvm, cpu, 'end-of-ioctl', slot.baseGfn, slot.npages);
  if (!manual) kvm.oweFlush(-1);
  cpu.count(C.dirtyHarvested, dirty);
  kvm.observer.ioctl(cpu, 'get', slot.config.id, false);
  yield* mutexUnlock(cpu, kvm.slotsLock);
  return dirty;
}

/** What user space has in hand grows by what is handed out; bits it still has to copy stay. */
function copyToUser(kvm: Kvm, slot: MemSlot, word: number, lo: number, hi: number): void {
  const at = slot.layout.userBitmap + word;
  if (lo !== 0) kvm.arena.put(at, kvm.w[at]! | lo);
  if (hi !== 0) kvm.arena.put(at + 1, kvm.w[at + 1]! | hi);
}

/**
 * KVM_CLEAR_DIRTY_LOG over [first, first + pages) relative to the slot; every 64-bit word of the request is (lo, hi), or
 * the user bitmap where `mask` is absent (A14, E2).
 * @returns 0; -ENXIO with the dirty ring, -ENOENT if the slot is not logged
 */
export function* clearDirtyLog(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  first: number,
  pages: number,
  mask?: { readonly lo: number; readonly hi: number },
): Steps<number> {
  yield* mutexLock(cpu, kvm.slotsLock);
  const error = refusal(kvm, slot);
  if (error !== 0) {
    yield* mutexUnlock(cpu, kvm.slotsLock);
    return error;
  }
  kvm.observer.ioctl(cpu, 'clear', slot.config.id, true);
  yield* syncDirtyLog(kvm, cpu);
  let flush = false;
  yield* kvm.writeLock(cpu);
  kvm.oweFlush(1);
  for (let page = first; page < first + pages; page += BITS_PER_LONG) {
    const word = page / 32;
    const at = slot.layout.dirtyBitmap + word;
    const left = Math.min(first + pages, slot.npages) - page;
    const lo = (mask?.lo ?? kvm.w[slot.layout.userBitmap + word]!) & lowBits(left);
    const hi = (mask?.hi ?? kvm.w[slot.layout.userBitmap + word + 1]!) & lowBits(left - 32);
    if ((lo | hi) === 0) continue;
    // atomic_long_fetch_andnot: what was set and asked for.
    let takenLo = 0;
    let takenHi = 0;
    if (lo !== 0) {
      if (cpu.stepped && cpu.stops(Op.And, at)) yield;
      takenLo = cpu.and(at, ~lo) & lo;
    }
    if (hi !== 0) {
      if (cpu.stepped && cpu.stops(Op.And, at + 1)) yield;
      takenHi = cpu.and(at + 1, ~hi) & hi;
    }
    if ((takenLo | takenHi) === 0) continue;
    flush = true;
    yield* enableLogDirtyMasked(kvm, cpu, slot, page, takenLo, takenHi);
  }
  yield* kvm.writeUnlock(cpu);
  if (flush) yield* flushRemoteTlbs(kvm, cpu, 'end-of-ioctl', slot.baseGfn, slot.npages);
  kvm.oweFlush(-1);
  kvm.observer.ioctl(cpu, 'clear', slot.config.id, false);
  yield* mutexUnlock(cpu, kvm.slotsLock);
  return 0;
}
