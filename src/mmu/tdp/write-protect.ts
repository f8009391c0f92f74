/** Write protection and D-bit clearing on the TDP MMU (kernel-facts 3.1, 5.6, B-02, B-04, B-58). */
import type { Cpu } from '../../cpu/cpu.ts';
import type { Steps } from '../../cpu/steps.ts';
import { isLastSpte, isMmuWritable, isShadowPresent, isWritable, SPTE_W } from '../format.ts';
import type { Kvm } from '../kvm.ts';
import { BITS_PER_LONG, firstBit, hasBit } from '../log/words.ts';
import type { MemSlot } from '../memslot.ts';
import { adNeedWriteProtect } from '../spte.ts';
import { TdpIter, tdpMmuIterCondResched } from './iter.ts';
import { rcuReadLock, rcuReadUnlock } from './rcu.ts';
import { tdpMmuNextRoot } from './roots.ts';
import { tdpMmuSetSpte, tdpMmuSetSpteAtomic } from './set-spte.ts';

/** What a pass makes of a leaf's low half; the same value: nothing is to be done. */
type Change = (lo: number, hi: number) => number;

/** The low half of a leaf once writes to it are noticed again: without W if they are tracked by W, else without D. */
function tracked(kvm: Kvm, byWrite: boolean, lo: number, hi: number): number {
  return byWrite || adNeedWriteProtect(hi) ? lo & ~SPTE_W : lo & ~kvm.format.dirtyLo;
}

/** kvm_tdp_mmu_wrprot_slot(): W goes from `minLevel` up; mmu_lock is held for read. True if anything changed. */
export function* tdpWrprotSlot(kvm: Kvm, cpu: Cpu, slot: MemSlot, minLevel: number): Steps<boolean> {
  const applies = (lo: number, level: number): boolean => isShadowPresent(lo) && isLastSpte(lo, level);
  return yield* changeSlot(kvm, cpu, slot, minLevel, applies, (lo) => lo & ~SPTE_W);
}

/** kvm_tdp_mmu_clear_dirty_slot(): D of every leaf; mmu_lock is held for read. True if anything changed. */
export function* tdpClearDirtySlot(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<boolean> {
  const { tdpClearDirtyApplies } = kvm.engine;
  return yield* changeSlot(kvm, cpu, slot, 1, tdpClearDirtyApplies, (lo, hi) => tracked(kvm, false, lo, hi));
}

/** Goes over a slot in all valid roots, and changes leaves by compare-and-exchange until it sticks. */
function* changeSlot(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  minLevel: number,
  applies: (lo: number, level: number) => boolean,
  change: Change,
): Steps<boolean> {
  const end = slot.baseGfn + slot.npages;
  let changed = false;
  for (
    let root = yield* tdpMmuNextRoot(kvm, cpu, 0, true);
    root !== 0;
    root = yield* tdpMmuNextRoot(kvm, cpu, root, true)
  ) {
    const iter = new TdpIter(kvm, root, minLevel, slot.baseGfn);
    yield* rcuReadLock(kvm, cpu);
    walk: for (yield* iter.start(cpu); iter.valid && iter.gfn < end; yield* iter.next(cpu)) {
      // D bits are looked at in leaves only: a walk that comes by meets tables, one that retries may meet a new one.
      if (!isShadowPresent(iter.lo) || !isLastSpte(iter.lo, iter.level)) {
        yield* tdpMmuIterCondResched(kvm, cpu, iter, false, true);
        continue;
      }
      for (;;) {
        if (yield* tdpMmuIterCondResched(kvm, cpu, iter, false, true)) continue walk;
        if (!applies(iter.lo, iter.level)) continue walk;
        const lo = change(iter.lo, iter.hi);
        if (lo === iter.lo) continue walk;
        if ((yield* tdpMmuSetSpteAtomic(kvm, cpu, iter, lo, iter.hi)) === 0) break;
      }
      changed = true;
    }
    yield* rcuReadUnlock(kvm, cpu);
  }
  return changed;
}

/** Default of `Engine.tdpClearDirtyApplies`: the entry may have become a table since the walk came to it (45a61ebb2211). */
export const tdpClearDirtyApplies = (lo: number, level: number): boolean =>
  isShadowPresent(lo) && isLastSpte(lo, level);

/**
 * kvm_tdp_mmu_clear_dirty_pt_masked(): the 4 KiB leaves of one word from `gfn` on lose W (`wrprot`) or D; mmu_lock is held
 * for write, and not given up.
 */
export function* tdpClearDirtyPtMasked(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  gfn: number,
  lo: number,
  hi: number,
  wrprot: boolean,
): Steps<void> {
  const end = Math.min(gfn + BITS_PER_LONG, slot.baseGfn + slot.npages);
  for (
    let root = yield* tdpMmuNextRoot(kvm, cpu, 0, true);
    root !== 0;
    root = yield* tdpMmuNextRoot(kvm, cpu, root, true)
  ) {
    const iter = new TdpIter(kvm, root, 1, gfn + firstBit(lo, hi));
    const mask = { lo, hi };
    kvm.observer.maskedWalk(cpu, lo, hi);
    yield* rcuReadLock(kvm, cpu);
    for (yield* iter.start(cpu); iter.valid && iter.gfn < end; yield* iter.next(cpu)) {
      if (!isShadowPresent(iter.lo) || !isLastSpte(iter.lo, iter.level)) continue;
      const bit = iter.gfn - gfn;
      kvm.observer.maskedLeaf(cpu, bit, iter.level);
      if ((mask.lo | mask.hi) === 0) break;
      if (iter.level > 1 || bit < 0 || !hasBit(mask.lo, mask.hi, bit)) continue;
      const next = tracked(kvm, wrprot, iter.lo, iter.hi);
      const done = next === iter.lo;
      if (!done || kvm.engine.tdpMaskBitGoesFirst) clearBit(mask, bit);
      if (!done) yield* tdpMmuSetSpte(kvm, cpu, iter, next, iter.hi);
    }
    yield* rcuReadUnlock(kvm, cpu);
  }
}

function clearBit(mask: { lo: number; hi: number }, bit: number): void {
  if (bit < 32) mask.lo &= ~(1 << bit);
  else mask.hi &= ~(1 << (bit - 32));
}

/**
 * kvm_tdp_mmu_write_protect_gfn(): the leaf that maps `gfn`, from `minLevel` up, loses W and MMU-writable: a shadowed table
 * is there, or logging wants it split. mmu_lock is held for write.
 * @returns true if a flush is needed
 */
export function* tdpWriteProtectGfn(
  kvm: Kvm,
  cpu: Cpu,
  _slot: MemSlot,
  gfn: number,
  minLevel: number,
): Steps<boolean> {
  const f = kvm.format;
  let changed = false;
  for (
    let root = yield* tdpMmuNextRoot(kvm, cpu, 0, true);
    root !== 0;
    root = yield* tdpMmuNextRoot(kvm, cpu, root, true)
  ) {
    const iter = new TdpIter(kvm, root, minLevel, gfn);
    yield* rcuReadLock(kvm, cpu);
    for (yield* iter.start(cpu); iter.valid && iter.gfn <= gfn; yield* iter.next(cpu)) {
      if (!isShadowPresent(iter.lo) || !isLastSpte(iter.lo, iter.level)) continue;
      if (!kvm.engine.tdpNeedsWriteProtect(kvm, iter.lo, iter.hi)) break;
      const lo = iter.lo & ~(SPTE_W | f.mmuWritableLo);
      yield* tdpMmuSetSpte(kvm, cpu, iter, lo, iter.hi & ~f.mmuWritableHi);
      changed = true;
    }
    yield* rcuReadUnlock(kvm, cpu);
  }
  return changed;
}

/** Default of `Engine.tdpNeedsWriteProtect`: W or MMU-writable is there to be taken (7c8a4742c4ab, B-04). */
export const tdpNeedsWriteProtect = (kvm: Kvm, lo: number, hi: number): boolean =>
  isWritable(lo) || isMmuWritable(kvm.format, lo, hi);
