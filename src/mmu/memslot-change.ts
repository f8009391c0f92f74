/**
 * KVM_SET_USER_MEMORY_REGION that deletes, creates or moves a slot (kernel-facts A18): kvm_set_memslot(). Turning the
 * log on and off is in src/mmu/log/enable.ts.
 *
 * A slot that goes is first published as INVALID, so that no fault builds on it any more; when the last fault that saw it
 * valid has ended, everything that maps it is zapped; only then it is gone, and its reverse maps with it (Q40). A move
 * deletes one slot and creates another that shows the same host memory at another gfn.
 */
import { type Cpu, HELD_SLOTS_ARCH } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { mutexLock, mutexUnlock } from '../locks/mutex.ts';
import { type SpinLock, spinLock, spinUnlock } from '../locks/spinlock.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from './config.ts';
import { allocationFails } from './environment.ts';
import { EEXIST, EINVAL, ENOENT, ENOMEM } from './errno.ts';
import { flushRemoteTlbs } from './flush.ts';
import { KVM, type Kvm } from './kvm.ts';
import { KVM_MEMSLOT_INVALID, LOG_STATE_OFF, MEMSLOT_GONE, type MemSlot } from './memslot.ts';
import { firstWrap, generationWrapped, MEMSLOT_GEN_UPDATE_IN_PROGRESS, nextGeneration } from './mmio.ts';
import { pagesWithTablesIn } from './shadow-page.ts';
import { zapPages } from './shadow/zap.ts';
import { synchronizeSrcu } from './vcpu.ts';
import { zapAllFast, zapSlotRange } from './zap-all.ts';
import { tdpMmuZapLeafs } from './tdp/zap.ts';

const slotsArchLock = (kvm: Kvm): SpinLock => ({
  word: kvm.base + KVM.slotsArchState,
  held: HELD_SLOTS_ARCH,
  name: 'slots_arch_lock',
});

/** KVM_MR_DELETE. Returns 0, ENOENT if there is no such slot, or -ENOMEM with the slot as it was. */
export function* deleteMemslot(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<number> {
  yield* mutexLock(cpu, kvm.slotsLock);
  // The INVALID copy of the slot is allocated first.
  const result = slot.gone ? ENOENT : allocationFails(kvm, cpu) ? ENOMEM : 0;
  if (result === 0) {
    yield* spinLock(cpu, slotsArchLock(kvm), kvm.observer);
    yield* invalidateMemslot(kvm, cpu, slot);
    yield* swapActiveMemslots(kvm, cpu, [[slot, MEMSLOT_GONE]]);
    freeMemslot(kvm, cpu, slot);
  }
  yield* mutexUnlock(cpu, kvm.slotsLock);
  return result;
}

/** KVM_MR_CREATE. Returns 0, EEXIST if the slot, or one that shows the same gfns, is there, or -ENOMEM. */
export function* createMemslot(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<number> {
  yield* mutexLock(cpu, kvm.slotsLock);
  // kvm_alloc_memslot_metadata(): reverse maps, lpage_info, write tracking.
  const result = !slot.gone ? EEXIST : allocationFails(kvm, cpu) ? ENOMEM : 0;
  if (result === 0) {
    yield* spinLock(cpu, slotsArchLock(kvm), kvm.observer);
    prepareMemslot(kvm, cpu, slot);
    yield* swapActiveMemslots(kvm, cpu, [[slot, 0]]);
    announceNew(kvm, cpu, slot);
  }
  yield* mutexUnlock(cpu, kvm.slotsLock);
  return result;
}

/**
 * KVM_MR_MOVE: `from` goes and `to`, which shows the same host memory at another gfn, comes in the same swap. Returns 0,
 * ENOENT if `from` is not there, EEXIST if `to` is, EINVAL if they show different memory, or -ENOMEM: then `from` is there
 * again, if only after everything that mapped it was zapped.
 */
export function* moveMemslot(kvm: Kvm, cpu: Cpu, from: MemSlot, to: MemSlot): Steps<number> {
  yield* mutexLock(cpu, kvm.slotsLock);
  let result = 0;
  if (from.config.basePfn !== to.config.basePfn || from.npages !== to.npages) result = EINVAL;
  else if (from.gone) result = ENOENT;
  else if (!to.gone) result = EEXIST;
  else if (allocationFails(kvm, cpu)) result = ENOMEM;
  if (result === 0) {
    const flags = kvm.w[from.flagsWord]!;
    yield* spinLock(cpu, slotsArchLock(kvm), kvm.observer);
    yield* invalidateMemslot(kvm, cpu, from);
    if (allocationFails(kvm, cpu)) {
      // kvm_set_memslot(): no metadata for the new place, so the old slot is activated again.
      yield* swapActiveMemslots(kvm, cpu, [[from, flags]]);
      result = ENOMEM;
    } else {
      prepareMemslot(kvm, cpu, to);
      yield* swapActiveMemslots(kvm, cpu, [
        [from, MEMSLOT_GONE],
        [to, 0],
      ]);
      freeMemslot(kvm, cpu, from);
      announceNew(kvm, cpu, to);
    }
  }
  yield* mutexUnlock(cpu, kvm.slotsLock);
  return result;
}

/** kvm_invalidate_memslot(). slots_arch_lock is held before and after, and dropped while others are waited for. */
function* invalidateMemslot(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void> {
  yield* swapActiveMemslots(kvm, cpu, [[slot, kvm.w[slot.flagsWord]! | KVM_MEMSLOT_INVALID]]);
  // From here on nobody makes a shadow page that maps the slot.
  yield* kvm.engine.flushShadowMemslot(kvm, cpu, slot);
  yield* spinLock(cpu, slotsArchLock(kvm), kvm.observer);
}

/** kvm_free_memslot() of a slot nobody can look up any more: the log goes, and the reverse maps, which must be empty. */
function freeMemslot(kvm: Kvm, cpu: Cpu, slot: MemSlot): void {
  kvm.arena.put(slot.logStateWord, LOG_STATE_OFF);
  clearBitmaps(kvm, slot);
  checkNoRmaps(kvm, cpu, slot);
  cpu.count(C.slotsDeleted);
  kvm.observer.slotChanged(cpu, slot.config.id, true);
}

/** kvm_alloc_memslot_metadata(): a new slot starts with clean arrays; nobody can see it yet. */
function prepareMemslot(kvm: Kvm, cpu: Cpu, slot: MemSlot): void {
  checkNoRmaps(kvm, cpu, slot);
  clearBitmaps(kvm, slot);
}

function announceNew(kvm: Kvm, cpu: Cpu, slot: MemSlot): void {
  cpu.count(C.slotsCreated);
  kvm.observer.slotChanged(cpu, slot.config.id, false);
}

/**
 * kvm_swap_active_memslots(): waits until no invalidation is between its start and its end, publishes the flags of the
 * slots that change, drops slots_arch_lock, waits for who still reads the old memslots, and moves the generation on.
 */
function* swapActiveMemslots(
  kvm: Kvm,
  cpu: Cpu,
  changes: readonly (readonly [slot: MemSlot, flags: number])[],
): Steps<void> {
  const gen = kvm.base + KVM.slotsGen;
  const active = kvm.base + KVM.activeInvalidates;
  // Only the holder of slots_lock writes the generation; while it is in flux no MMIO SPTE is believed.
  const next = nextGeneration(kvm.w[gen]!);
  if (cpu.stepped && cpu.stops(Op.Or, gen)) yield;
  cpu.or(gen, MEMSLOT_GEN_UPDATE_IN_PROGRESS);
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, active)) yield;
    const running = cpu.load(active);
    if (running === 0) break;
    if (cpu.stepped && cpu.stops(Op.Wait, active, running)) yield;
    cpu.wait(active, running);
  }
  for (const [slot, flags] of changes) {
    if (cpu.stepped && cpu.stops(Op.Store, slot.flagsWord)) yield;
    cpu.store(slot.flagsWord, flags);
    cpu.notify(slot.flagsWord);
  }
  yield* spinUnlock(cpu, slotsArchLock(kvm), kvm.observer);
  yield* synchronizeSrcu(kvm, cpu);
  if (cpu.stepped && cpu.stops(Op.Store, gen)) yield;
  cpu.store(gen, next);
  // A27: an MMIO SPTE of the generation that had this number last would be believed again.
  if (!generationWrapped(kvm, next)) return;
  cpu.count(C.mmioWraps);
  yield* zapAllFast(kvm, cpu);
}

/**
 * The generation runs up to where MMIO SPTEs start over (A27): as many changes of the memslots as it takes, without their
 * other effects, and what KVM does at the end of them.
 */
export function* wrapMmioGeneration(kvm: Kvm, cpu: Cpu): Steps<void> {
  const gen = kvm.base + KVM.slotsGen;
  yield* mutexLock(cpu, kvm.slotsLock);
  const next = firstWrap(kvm, kvm.w[gen]!);
  if (cpu.stepped && cpu.stops(Op.Or, gen)) yield;
  cpu.or(gen, MEMSLOT_GEN_UPDATE_IN_PROGRESS);
  yield* synchronizeSrcu(kvm, cpu);
  if (cpu.stepped && cpu.stops(Op.Store, gen)) yield;
  cpu.store(gen, next);
  cpu.count(C.mmioWraps);
  yield* zapAllFast(kvm, cpu);
  yield* mutexUnlock(cpu, kvm.slotsLock);
}

/** Default of `Engine.flushShadowMemslot`: kvm_arch_flush_shadow_memslot() zaps everything, whatever the slot (B-53). */
export function* flushShadowMemslot(kvm: Kvm, cpu: Cpu): Steps<void> {
  yield* zapAllFast(kvm, cpu);
}

/**
 * 6.12 with KVM_X86_QUIRK_SLOT_ZAP_ALL off: kvm_mmu_zap_memslot() takes the slot's own leaves and the pages that shadow
 * tables in it, and leaves the rest of the machine alone.
 */
export function* zapMemslotOnly(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void> {
  const end = slot.baseGfn + slot.npages;
  yield* kvm.writeLock(cpu);
  let flush = yield* zapSlotRange(kvm, cpu, slot, slot.baseGfn, end, false);
  flush = yield* tdpMmuZapLeafs(kvm, cpu, slot.baseGfn, end, true, flush, 'memslot');
  const tables = pagesWithTablesIn(kvm, slot.baseGfn, end);
  if (tables.length > 0) yield* zapPages(kvm, cpu, tables);
  else if (flush) yield* flushRemoteTlbs(kvm, cpu, 'memslot', slot.baseGfn, slot.npages);
  yield* kvm.writeUnlock(cpu);
}

/** The dirty bitmap goes with its slot (Q48), and a new slot starts with a clean one. */
function clearBitmaps(kvm: Kvm, slot: MemSlot): void {
  const { dirtyBitmap, userBitmap, bitmapWords } = slot.layout;
  for (const first of [dirtyBitmap, userBitmap]) {
    kvm.arena.touchRange(first, bitmapWords);
    kvm.w.fill(0, first, first + bitmapWords);
  }
}

/** Q40: whoever finds an entry in the reverse maps of a slot that is gone works on freed memory (B-50, B-51). */
function checkNoRmaps(kvm: Kvm, cpu: Cpu, slot: MemSlot): void {
  for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
    const last = slot.rmapWord(slot.baseGfn + slot.npages - 1, level);
    for (let head = slot.rmapWord(slot.baseGfn, level); head <= last; head++) {
      if (kvm.w[head] === 0) continue;
      kvm.observer.broken(cpu, {
        id: 'Q40',
        text: `slot ${slot.config.id} is gone, and a reverse map of level ${level} still names SPTEs that map it`,
        words: [head],
      });
      return;
    }
  }
}
