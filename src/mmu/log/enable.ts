/** KVM_SET_USER_MEMORY_REGION that turns KVM_MEM_LOG_DIRTY_PAGES on (E1, A16) or off (A17) (kernel-facts 3.1). */
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { mutexLock, mutexUnlock } from '../../locks/mutex.ts';
import { KVM_MAX_HUGEPAGE_LEVEL, PG_LEVEL_4K } from '../config.ts';
import { allocationFails } from '../environment.ts';
import { ENOMEM } from '../errno.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { KVM, type Kvm } from '../kvm.ts';
import { splitCaches } from '../memory-cache.ts';
import {
  KVM_MEM_LOG_DIRTY_PAGES,
  LOG_STATE_ENABLED,
  LOG_STATE_ENABLING,
  LOG_STATE_OFF,
  type MemSlot,
} from '../memslot.ts';
import { rmapClearDirty } from '../shadow/clear-dirty.ts';
import { slotZapCollapsible } from '../shadow/collapsible.ts';
import { slotTrySplitHugePages } from '../shadow/split.ts';
import { slotHandleLevel, type RmapHandler } from '../shadow/walker.ts';
import { rmapWriteProtect } from '../shadow/write-protect.ts';
import { tdpCollapseSlot } from '../tdp/collapsible.ts';
import { hasTdpRoots } from '../tdp/present.ts';
import { tdpTrySplitHugePages } from '../tdp/split.ts';
import { tdpClearDirtySlot, tdpWrprotSlot } from '../tdp/write-protect.ts';
import { synchronizeSrcu } from '../vcpu.ts';
import { INITIALLY_SET } from './manual-protect.ts';
import { usesDirtyBits } from './pml.ts';

/** How E1 splits the shadow MMU: by the calling thread, or handed to shards that each take a range. */
export type SplitDriver = (kvm: Kvm, cpu: Cpu, slot: MemSlot) => Steps<void>;

/** KVM's own arrangement: the ioctl's thread splits the whole slot. */
export function splitInline(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void> {
  return slotTrySplitHugePages(kvm, cpu, splitCaches(kvm, 0), slot, slot.baseGfn, slot.baseGfn + slot.npages);
}

/** True if the slot is logged. The caller holds slots_lock, which all who change it hold. */
export const isLogged = (kvm: Kvm, slot: MemSlot): boolean =>
  (kvm.w[slot.flagsWord]! & KVM_MEM_LOG_DIRTY_PAGES) !== 0;

/**
 * E1. Nothing happens if logging is on, or if there is no such slot.
 * @returns 0, or -ENOMEM if there is no memory for the bitmap: the slot stays as it is
 */
export function* enableDirtyLogging(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  split: SplitDriver = splitInline,
): Steps<number> {
  yield* mutexLock(cpu, kvm.slotsLock);
  if (isLogged(kvm, slot) || slot.gone) {
    yield* mutexUnlock(cpu, kvm.slotsLock);
    return 0;
  }
  // kvm_alloc_dirty_bitmap(), before anything is changed; with the ring there is none.
  if (kvm.config.ringEntries === 0 && allocationFails(kvm, cpu)) {
    yield* mutexUnlock(cpu, kvm.slotsLock);
    return ENOMEM;
  }
  kvm.observer.ioctl(cpu, 'enable', slot.config.id, true);
  const initiallySet = (kvm.get(KVM.manualProtect) & INITIALLY_SET) !== 0;
  kvm.arena.put(slot.logStateWord, LOG_STATE_ENABLING);
  if (initiallySet && kvm.config.ringEntries === 0) setWholeBitmap(kvm, slot);
  // The new flags are published, and no fault that saw the old ones is left when the split begins (3.2).
  if (cpu.stepped && cpu.stops(Op.Or, slot.flagsWord)) yield;
  cpu.or(slot.flagsWord, KVM_MEM_LOG_DIRTY_PAGES);
  yield* synchronizeSrcu(kvm, cpu);
  // Nobody can write to a READONLY slot, so there is nothing to split or to protect.
  if (!initiallySet && !slot.config.readonly) {
    yield* splitSlot(kvm, cpu, slot, split);
    const changed = usesDirtyBits(kvm)
      ? yield* protectByDirtyBits(kvm, cpu, slot)
      : yield* slotRemoveWriteAccess(kvm, cpu, slot, 1, true);
    if (kvm.engine.flushAfterEnable(changed)) {
      yield* flushRemoteTlbs(kvm, cpu, 'end-of-ioctl', slot.baseGfn, slot.npages);
    }
    kvm.oweFlush(-1);
  }
  kvm.arena.put(slot.logStateWord, LOG_STATE_ENABLED);
  kvm.observer.ioctl(cpu, 'enable', slot.config.id, false);
  yield* mutexUnlock(cpu, kvm.slotsLock);
  return 0;
}

/** kvm_mmu_slot_try_split_huge_pages(): the shadow MMU under the write lock, the TDP MMU under the read lock (C13). */
function* splitSlot(kvm: Kvm, cpu: Cpu, slot: MemSlot, split: SplitDriver): Steps<void> {
  if (!kvm.config.eagerPageSplit) return;
  kvm.observer.slotSplit(cpu, slot.config.id, true);
  if (!kvm.engine.splitsTdpFirst) yield* split(kvm, cpu, slot);
  if (hasTdpRoots(kvm)) {
    yield* kvm.readLock(cpu);
    const end = slot.baseGfn + slot.npages;
    yield* tdpTrySplitHugePages(kvm, cpu, slot, slot.baseGfn, end, PG_LEVEL_4K, true);
    yield* kvm.readUnlock(cpu);
  }
  if (kvm.engine.splitsTdpFirst) yield* split(kvm, cpu, slot);
  kvm.observer.slotSplit(cpu, slot.config.id, false);
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

/** Runs a handler over the rmaps of the levels from `fromLevel` to `toLevel` in one write section. */
function* slotHandleLevels(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  fromLevel: number,
  toLevel: number,
  handler: RmapHandler,
  beginsToOwe: boolean,
): Steps<boolean> {
  let changed = false;
  if (!kvm.haveRmaps) {
    if (beginsToOwe) kvm.oweFlush(1);
    return false;
  }
  yield* kvm.writeLock(cpu);
  if (beginsToOwe) kvm.oweFlush(1);
  for (let level = fromLevel; level <= toLevel; level++) {
    const end = slot.baseGfn + slot.npages;
    if (yield* slotHandleLevel(kvm, cpu, slot, slot.baseGfn, end, level, handler, false)) changed = true;
  }
  yield* kvm.writeUnlock(cpu);
  return changed;
}

/**
 * kvm_mmu_slot_remove_write_access() on both MMUs: W goes from `fromLevel` up, MMU-writable stays; the caller flushes
 * later, and says whether the debt begins here.
 */
export function* slotRemoveWriteAccess(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  fromLevel: number,
  beginsToOwe = false,
): Steps<boolean> {
  const handler = (head: number): Steps<boolean> => rmapWriteProtect(kvm, cpu, head, false);
  kvm.observer.slotWriteProtect(cpu, fromLevel, 'begin');
  let changed = yield* slotHandleLevels(
    kvm,
    cpu,
    slot,
    fromLevel,
    KVM_MAX_HUGEPAGE_LEVEL,
    handler,
    beginsToOwe,
  );
  if (hasTdpRoots(kvm)) {
    yield* kvm.readLock(cpu);
    kvm.observer.slotWriteProtect(cpu, fromLevel, 'tdp');
    if (yield* tdpWrprotSlot(kvm, cpu, slot, fromLevel)) changed = true;
    yield* kvm.readUnlock(cpu);
  }
  kvm.observer.slotWriteProtect(cpu, fromLevel, 'end');
  return changed;
}

/** With PML: kvm_mmu_slot_leaf_clear_dirty() on 4 KiB pages, and write protection of what is larger. */
function* protectByDirtyBits(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<boolean> {
  const handler = (head: number): Steps<boolean> => rmapClearDirty(kvm, cpu, head);
  let changed = yield* slotHandleLevels(kvm, cpu, slot, 1, 1, handler, true);
  if (hasTdpRoots(kvm)) {
    yield* kvm.readLock(cpu);
    if (yield* tdpClearDirtySlot(kvm, cpu, slot)) changed = true;
    yield* kvm.readUnlock(cpu);
  }
  if (yield* slotRemoveWriteAccess(kvm, cpu, slot, 2)) changed = true;
  return changed;
}

/** A17: the flag goes, then whatever could be mapped larger is zapped or rebuilt, then the bitmap. */
export function* disableDirtyLogging(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void> {
  yield* mutexLock(cpu, kvm.slotsLock);
  if (isLogged(kvm, slot)) {
    if (cpu.stepped && cpu.stops(Op.And, slot.flagsWord)) yield;
    cpu.and(slot.flagsWord, ~KVM_MEM_LOG_DIRTY_PAGES);
    yield* synchronizeSrcu(kvm, cpu);
    kvm.arena.put(slot.logStateWord, LOG_STATE_OFF);
    if (!slot.config.readonly) {
      kvm.observer.zapCollapsible(cpu, slot.config.id);
      yield* slotZapCollapsible(kvm, cpu, slot);
      if (hasTdpRoots(kvm)) yield* tdpCollapseSlot(kvm, cpu, slot);
    }
    freeBitmap(kvm, slot);
  }
  yield* mutexUnlock(cpu, kvm.slotsLock);
}

/** kvm_destroy_dirty_bitmap(): the next one starts at zero (Q48). With the ring the words belong to user space. */
function freeBitmap(kvm: Kvm, slot: MemSlot): void {
  if (kvm.config.ringEntries > 0) return;
  const { dirtyBitmap, bitmapWords } = slot.layout;
  kvm.arena.touchRange(dirtyBitmap, bitmapWords);
  kvm.w.fill(0, dirtyBitmap, dirtyBitmap + bitmapWords);
}
