/** Reverse maps and the primitives that change a reachable leaf (kernel-facts 1.3, 3.7, 3.10). */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import type { Steps } from '../cpu/steps.ts';
import { KernelBug } from './bug.ts';
import type { Kvm } from './kvm.ts';
import { KVM } from './kvm.ts';
import { MEMSLOT_GONE, type MemSlot } from './memslot.ts';
import { isLastSpte, isShadowPresent } from './format.ts';
import { pteListAdd, pteListRemove } from './pte-list.ts';
import { checkRmapLock, rmapLock, rmapUnlock } from './rmap-lock.ts';
import { roleLevel } from './role.ts';
import { pageGetGfn, pageSetTranslation, spRole, spteIndex, sptepToSp } from './shadow-page.ts';

/** kvm_update_page_stats(). */
export function updatePageStats(kvm: Kvm, level: number, by: number): void {
  const field = KVM.pages + level - 1;
  kvm.put(field, kvm.get(field) + by);
}

/**
 * __rmap_add() without the recycling: remembers the translation, counts the page and adds the entry.
 * @returns entries the head had before; above the threshold the caller recycles (kernel-facts 3.7 step 2c)
 */
export function rmapAdd(
  kvm: Kvm,
  cpu: Cpu,
  cache: number,
  slot: MemSlot,
  sptep: number,
  gfn: number,
  access: number,
): number {
  kvm.assertMmuWrite(cpu, 'a reverse map');
  const sp = sptepToSp(kvm, sptep);
  const level = roleLevel(spRole(kvm, sp));
  pageSetTranslation(kvm, sp, spteIndex(kvm, sptep), gfn, access);
  updatePageStats(kvm, level, 1);
  const head = slot.rmapWord(gfn, level);
  if (kvm.engine.locksRmaps) checkRmapLock(kvm, cpu, head);
  return pteListAdd(kvm, cache, sptep, head);
}

/** rmap_remove(). */
export function rmapRemove(kvm: Kvm, cpu: Cpu, sptep: number): void {
  kvm.assertMmuWrite(cpu, 'a reverse map');
  const sp = sptepToSp(kvm, sptep);
  const gfn = pageGetGfn(kvm, sp, spteIndex(kvm, sptep));
  const slot = kvm.slotOf(gfn);
  if (slot === undefined) throw new KernelBug('Q20', `rmap_remove: gfn ${gfn} has no memslot`, [sptep * 2]);
  if (kvm.arena.bits(slot.flagsWord, MEMSLOT_GONE) !== 0) {
    throw new KernelBug(
      'Q40',
      `rmap_remove: the memslot of gfn ${gfn} was deleted, its reverse maps are freed`,
      [sptep * 2, slot.flagsWord],
    );
  }
  const head = slot.rmapWord(gfn, roleLevel(spRole(kvm, sp)));
  if (kvm.engine.locksRmaps) checkRmapLock(kvm, cpu, head);
  pteListRemove(kvm, sptep, head);
}

/**
 * mmu_spte_clear_track_bits(): takes a reachable entry to 0. The caller has announced Exchange64 of the entry.
 * The old value is left in `cpu.lo/hi`.
 * @returns true if the old value was a present leaf
 */
export function mmuSpteClearTrackBits(kvm: Kvm, cpu: Cpu, sptep: number): boolean {
  kvm.assertMmuWrite(cpu, 'an SPTE');
  const level = roleLevel(spRole(kvm, sptepToSp(kvm, sptep)));
  cpu.exchange64(sptep, 0, 0);
  if (!isLastSpte(cpu.lo, level)) return false;
  kvm.engine.hostPageInherits(kvm, cpu, sptep, cpu.lo, cpu.hi, 0, 0);
  kvm.observer.spteChanged(cpu, sptep, cpu.lo, cpu.hi, 0, 0);
  updatePageStats(kvm, level, -1);
  return true;
}

/** drop_spte(): clears a leaf and removes it from its rmap. The caller has announced Exchange64 of the entry. */
export function dropSpte(kvm: Kvm, cpu: Cpu, sptep: number): void {
  if (mmuSpteClearTrackBits(kvm, cpu, sptep)) rmapRemove(kvm, cpu, sptep);
}

/**
 * The same where reverse maps have locks of their own (6.15): the entry goes first, and whoever walks the head meanwhile
 * finds it gone.
 */
export function* dropLeaf(kvm: Kvm, cpu: Cpu, sptep: number): Steps<void> {
  if (!kvm.engine.locksRmaps) {
    dropSpte(kvm, cpu, sptep);
    return;
  }
  if (!mmuSpteClearTrackBits(kvm, cpu, sptep)) return;
  const { lo, hi } = cpu;
  const sp = sptepToSp(kvm, sptep);
  const gfn = pageGetGfn(kvm, sp, spteIndex(kvm, sptep));
  const head = kvm.slotOf(gfn)?.rmapWord(gfn, roleLevel(spRole(kvm, sp))) ?? 0;
  yield* rmapLock(kvm, cpu, head);
  rmapRemove(kvm, cpu, sptep);
  yield* rmapUnlock(kvm, cpu, head);
  cpu.lo = lo;
  cpu.hi = hi;
}

/**
 * mmu_spte_update(): replaces a present leaf in place by (lo, hi). The caller has announced Exchange64 of the entry.
 * @returns true if the change needs a TLB flush (kernel-facts 5.6): write access or A/D state may be cached
 */
export function mmuSpteUpdate(kvm: Kvm, cpu: Cpu, sptep: number, lo: number, hi: number): boolean {
  kvm.assertMmuWrite(cpu, 'an SPTE');
  cpu.exchange64(sptep, lo, hi);
  const oldLo = cpu.lo;
  const oldHi = cpu.hi;
  if (!isShadowPresent(oldLo)) return false;
  kvm.engine.hostPageInherits(kvm, cpu, sptep, oldLo, oldHi, lo, hi);
  kvm.observer.spteChanged(cpu, sptep, oldLo, oldHi, lo, hi);
  return kvm.engine.spteUpdateNeedsFlush(kvm, oldLo, oldHi, lo, hi);
}

/** The largest list a head may have before everything in it is recycled, and how it is counted. */
export function mustRecycle(kvm: Kvm, cpu: Cpu, before: number): boolean {
  if (before > kvm.get(KVM.maxRmapSize)) kvm.put(KVM.maxRmapSize, before);
  if (before <= kvm.engine.recycleThreshold(kvm)) return false;
  cpu.count(C.recycled);
  return true;
}
