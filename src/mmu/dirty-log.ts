/** Dirty logging: the bitmap, and the ioctls E1, E2, GET and CLEAR (kernel-facts 3.1, A13 to A17). */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { mutexLock, mutexUnlock } from '../locks/mutex.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from './config.ts';
import { flushRemoteTlbs } from './flush.ts';
import { KVM, type Kvm } from './kvm.ts';
import { splitCaches } from './memory-cache.ts';
import {
  KVM_MEM_LOG_DIRTY_PAGES,
  LOG_STATE_ENABLED,
  LOG_STATE_ENABLING,
  LOG_STATE_OFF,
  type MemSlot,
} from './memslot.ts';
import { slotZapCollapsible } from './shadow/collapsible.ts';
import { slotTrySplitHugePages, trySplitHugePages } from './shadow/split.ts';
import { slotHandleLevel } from './shadow/walker.ts';
import { rmapWriteProtect, slotGfnWriteProtect } from './shadow/write-protect.ts';
import { synchronizeSrcu, type Vcpu } from './vcpu.ts';

/** KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE and KVM_DIRTY_LOG_INITIALLY_SET (kernel-facts 1.7). */
export const MANUAL_PROTECT_ENABLE = 1;
export const INITIALLY_SET = 2;
/** gfns in one word of the bitmap (BITS_PER_LONG). */
export const BITS_PER_LONG = 64;

/** mark_page_dirty_in_slot(): the bit is set before, or in the same section as, W (D19). */
export function* markPageDirty(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<void> {
  const bit = gfn - slot.baseGfn;
  const word = slot.layout.dirtyBitmap + (bit >>> 5);
  if (cpu.stepped) yield cpu.at(Op.Or, word);
  const old = cpu.or(word, 1 << (bit & 31));
  if ((old & (1 << (bit & 31))) === 0) cpu.count(C.dirtySet);
}

/** A write that KVM emulates because the page must stay read-only: the store, then the dirty bit (B-08). */
export function* emulateWrite(vcpu: Vcpu, slot: MemSlot, gfn: number): Steps<void> {
  const { kvm, cpu } = vcpu;
  const word = kvm.layout.memory + slot.pfn(gfn);
  if (cpu.stepped) yield cpu.at(Op.Add, word);
  cpu.add(word, 1);
  if (cpu.stepped) yield cpu.at(Op.Load, slot.flagsWord);
  if ((cpu.load(slot.flagsWord) & KVM_MEM_LOG_DIRTY_PAGES) !== 0) yield* markPageDirty(kvm, cpu, slot, gfn);
}

/** How E1 splits: by the calling thread, or handed to shards that each take a range. */
export type SplitDriver = (kvm: Kvm, cpu: Cpu, slot: MemSlot) => Steps<void>;

/** KVM's own arrangement: the ioctl's thread splits the whole slot. */
export function* splitInline(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void> {
  yield* slotTrySplitHugePages(kvm, cpu, splitCaches(kvm, 0), slot, slot.baseGfn, slot.baseGfn + slot.npages);
}

/** KVM_SET_USER_MEMORY_REGION that turns KVM_MEM_LOG_DIRTY_PAGES on (E1). */
export function* enableDirtyLogging(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  split: SplitDriver = splitInline,
): Steps<void> {
  yield* mutexLock(cpu, kvm.slotsLock);
  kvm.observer.ioctl(cpu, 'enable', slot.config.id, true);
  const initiallySet = (kvm.get(KVM.manualProtect) & INITIALLY_SET) !== 0;
  kvm.arena.put(slot.logStateWord, LOG_STATE_ENABLING);
  if (initiallySet) setWholeBitmap(kvm, slot);
  // The new flags are published, and no fault that saw the old ones is left when the split begins (3.2).
  if (cpu.stepped) yield cpu.at(Op.Or, slot.flagsWord);
  cpu.or(slot.flagsWord, KVM_MEM_LOG_DIRTY_PAGES);
  yield* synchronizeSrcu(kvm, cpu);
  if (!initiallySet) {
    yield* split(kvm, cpu, slot);
    const changed = yield* slotRemoveWriteAccess(kvm, cpu, slot, 1);
    if (kvm.engine.flushAfterEnable(changed)) {
      yield* flushRemoteTlbs(kvm, cpu, 'end-of-ioctl', slot.baseGfn, slot.npages);
    }
  }
  kvm.put(KVM.deferredFlush, 0);
  kvm.arena.put(slot.logStateWord, LOG_STATE_ENABLED);
  kvm.observer.ioctl(cpu, 'enable', slot.config.id, false);
  yield* mutexUnlock(cpu, kvm.slotsLock);
}

/** The bitmap of a slot under INITIALLY_SET starts all ones; nobody can see it before the flags are published. */
function setWholeBitmap(kvm: Kvm, slot: MemSlot): void {
  const { dirtyBitmap } = slot.layout;
  kvm.arena.touchRange(dirtyBitmap, slot.layout.bitmapWords);
  for (let word = 0; word < slot.layout.bitmapWords; word++) {
    const bits = Math.min(32, Math.max(0, slot.npages - word * 32));
    kvm.w[dirtyBitmap + word] = bits === 32 ? -1 : (1 << bits) - 1;
  }
}

/** kvm_mmu_slot_remove_write_access(): W goes from `fromLevel` up, MMU-writable stays; the caller flushes later. */
export function* slotRemoveWriteAccess(kvm: Kvm, cpu: Cpu, slot: MemSlot, fromLevel: number): Steps<boolean> {
  let changed = false;
  yield* kvm.writeLock(cpu);
  kvm.put(KVM.deferredFlush, 1);
  for (let level = fromLevel; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
    const end = slot.baseGfn + slot.npages;
    const handler = (head: number): Steps<boolean> => rmapWriteProtect(kvm, cpu, head, false);
    if (yield* slotHandleLevel(kvm, cpu, slot, slot.baseGfn, end, level, handler, false)) changed = true;
  }
  yield* kvm.writeUnlock(cpu);
  return changed;
}

/**
 * KVM_GET_DIRTY_LOG into the slot's user bitmap. Without manual protection it also clears and write-protects (A13).
 * @returns dirty pages reported
 */
export function* getDirtyLog(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<number> {
  yield* mutexLock(cpu, kvm.slotsLock);
  kvm.observer.ioctl(cpu, 'get', slot.config.id, true);
  const manual = kvm.get(KVM.manualProtect) !== 0;
  let dirty = 0;
  let flush = false;
  if (!manual) yield* kvm.writeLock(cpu);
  if (!manual) kvm.put(KVM.deferredFlush, 1);
  for (let word = 0; word < slot.layout.bitmapWords; word += 2) {
    const at = slot.layout.dirtyBitmap + word;
    if (cpu.stepped) yield cpu.at(Op.Load64, at);
    cpu.load64(at >> 1);
    if ((cpu.lo | cpu.hi) === 0) continue;
    if (!manual) {
      if (cpu.stepped) yield cpu.at(Op.Exchange64, at);
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
  kvm.put(KVM.deferredFlush, 0);
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
 */
export function* clearDirtyLog(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  first: number,
  pages: number,
  mask?: { readonly lo: number; readonly hi: number },
): Steps<void> {
  yield* mutexLock(cpu, kvm.slotsLock);
  kvm.observer.ioctl(cpu, 'clear', slot.config.id, true);
  let flush = false;
  yield* kvm.writeLock(cpu);
  kvm.put(KVM.deferredFlush, 1);
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
      if (cpu.stepped) yield cpu.at(Op.And, at);
      takenLo = cpu.and(at, ~lo) & lo;
    }
    if (hi !== 0) {
      if (cpu.stepped) yield cpu.at(Op.And, at + 1);
      takenHi = cpu.and(at + 1, ~hi) & hi;
    }
    if ((takenLo | takenHi) === 0) continue;
    flush = true;
    yield* enableLogDirtyMasked(kvm, cpu, slot, page, takenLo, takenHi);
  }
  yield* kvm.writeUnlock(cpu);
  if (flush) yield* flushRemoteTlbs(kvm, cpu, 'end-of-ioctl', slot.baseGfn, slot.npages);
  kvm.put(KVM.deferredFlush, 0);
  kvm.observer.ioctl(cpu, 'clear', slot.config.id, false);
  yield* mutexUnlock(cpu, kvm.slotsLock);
}

const lowBits = (bits: number): number => (bits >= 32 ? -1 : bits <= 0 ? 0 : (1 << bits) - 1);

/** kvm_arch_mmu_enable_log_dirty_pt_masked(): one 64-gfn word with a non-zero mask, under `mmu_lock`. */
function* enableLogDirtyMasked(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  offset: number,
  lo: number,
  hi: number,
): Steps<void> {
  const base = slot.baseGfn + offset;
  if (kvm.get(KVM.manualProtect) === (MANUAL_PROTECT_ENABLE | INITIALLY_SET)) {
    const start = base + (lo !== 0 ? ctz(lo) : 32 + ctz(hi));
    const last = base + (hi !== 0 ? 63 - Math.clz32(hi) : 31 - Math.clz32(lo));
    yield* trySplitHugePages(kvm, cpu, splitCaches(kvm, 0), slot, start, kvm.engine.clearSplitEnd(last));
    yield* slotGfnWriteProtect(kvm, cpu, slot, start, 2);
    const block = kvm.pages(2);
    if (block >= BITS_PER_LONG) {
      if (Math.ceil(start / block) !== Math.ceil(last / block))
        yield* slotGfnWriteProtect(kvm, cpu, slot, last, 2);
    } else {
      // Only with tables smaller than x86's: a word spans several huge pages, and each of them counts.
      for (let gfn = (start & ~(block - 1)) + block; gfn <= last; gfn += block) {
        yield* slotGfnWriteProtect(kvm, cpu, slot, gfn, 2);
      }
    }
  }
  for (let bit = 0; bit < BITS_PER_LONG; bit++) {
    if (((bit < 32 ? lo : hi) & (1 << (bit & 31))) === 0) continue;
    yield* rmapWriteProtect(kvm, cpu, slot.rmapWord(base + bit, 1), false);
  }
}

const ctz = (value: number): number => 31 - Math.clz32(value & -value);

export function popcount(value: number): number {
  let v = value - ((value >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** KVM_SET_USER_MEMORY_REGION that turns logging off, with the collapsible zap (A17). */
export function* disableDirtyLogging(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void> {
  yield* mutexLock(cpu, kvm.slotsLock);
  if (cpu.stepped) yield cpu.at(Op.And, slot.flagsWord);
  cpu.and(slot.flagsWord, ~KVM_MEM_LOG_DIRTY_PAGES);
  yield* synchronizeSrcu(kvm, cpu);
  kvm.arena.put(slot.logStateWord, LOG_STATE_OFF);
  yield* slotZapCollapsible(kvm, cpu, slot);
  yield* mutexUnlock(cpu, kvm.slotsLock);
}
