/** Reverse maps and the primitives that change a reachable leaf (kernel-facts 1.3, 3.7, 3.10). */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { KernelBug } from './bug.ts';
import type { Kvm } from './kvm.ts';
import { KVM } from './kvm.ts';
import type { MemSlot } from './memslot.ts';
import { isLastSpte, isShadowPresent, isWritable } from './format.ts';
import { pteListAdd, pteListRemove } from './pte-list.ts';
import { roleLevel } from './role.ts';
import { pageGetGfn, pageSetTranslation, spRole, spteIndex, sptepToSp } from './shadow-page.ts';
import { canBeMadeWritable } from './spte.ts';

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
  return pteListAdd(kvm, cache, sptep, slot.rmapWord(gfn, level));
}

/** rmap_remove(). */
export function rmapRemove(kvm: Kvm, cpu: Cpu, sptep: number): void {
  kvm.assertMmuWrite(cpu, 'a reverse map');
  const sp = sptepToSp(kvm, sptep);
  const gfn = pageGetGfn(kvm, sp, spteIndex(kvm, sptep));
  const slot = kvm.slotOf(gfn);
  if (slot === undefined) throw new KernelBug('Q20', `rmap_remove: gfn ${gfn} has no memslot`, [sptep * 2]);
  pteListRemove(kvm, sptep, slot.rmapWord(gfn, roleLevel(spRole(kvm, sp))));
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
  updatePageStats(kvm, level, -1);
  return true;
}

/** drop_spte(): clears a leaf and removes it from its rmap. The caller has announced Exchange64 of the entry. */
export function dropSpte(kvm: Kvm, cpu: Cpu, sptep: number): void {
  if (mmuSpteClearTrackBits(kvm, cpu, sptep)) rmapRemove(kvm, cpu, sptep);
}

/**
 * mmu_spte_update(): replaces a present leaf in place by (lo, hi). The caller has announced Exchange64 of the entry.
 * @returns true if the change needs a TLB flush (kernel-facts 5.6): write access or A/D state may be cached
 */
export function mmuSpteUpdate(kvm: Kvm, cpu: Cpu, sptep: number, lo: number, hi: number): boolean {
  kvm.assertMmuWrite(cpu, 'an SPTE');
  const f = kvm.format;
  cpu.exchange64(sptep, lo, hi);
  const oldLo = cpu.lo;
  if (!isShadowPresent(oldLo)) return false;
  let flush = canBeMadeWritable(f, oldLo, cpu.hi) && !isWritable(lo);
  if ((oldLo & ~lo & (f.accessedLo | f.dirtyLo)) !== 0) flush = true;
  return flush;
}

/** The largest list a head may have before everything in it is recycled, and how it is counted. */
export function mustRecycle(kvm: Kvm, cpu: Cpu, before: number): boolean {
  if (before <= kvm.config.recycleThreshold) return false;
  cpu.count(C.recycled);
  return true;
}
