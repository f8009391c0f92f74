/**
 * Unsync pages (kernel-facts 1.2, Q17, Q18): a shadow page of level 1 may be out of date with L1's table, which L1 then
 * writes without faults, until L1's next INVEPT. Ancestors know where to look: a bit per child that is unsync or leads to
 * one, and the number of such bits.
 */
import { C } from '../../cpu/counters.ts';
import { HELD_UNSYNC_PAGES, type Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { spinLock, spinUnlock, type SpinLock } from '../../locks/spinlock.ts';
import { KernelBug } from '../bug.ts';
import { isLarge, isShadowPresent } from '../format.ts';
import { heldHi, heldLo } from '../held-spte.ts';
import { KVM, type Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import { pteListEntries } from '../pte-list.ts';
import { roleLevel } from '../role.ts';
import {
  mayHoldTable,
  parentPtesWord,
  SP,
  SP_UNSYNC,
  spFlags,
  spPut,
  spRole,
  spsWithGptes,
  spteIndex,
  sptepOf,
  sptepToSp,
} from '../shadow-page.ts';
import { spteChildSp } from '../spte.ts';

/** KVM_PAGE_ARRAY_NR (kernel-facts 2.2). */
const PAGE_ARRAY_NR = 16;

export const spUnsync = (kvm: Kvm, sp: number): boolean => (spFlags(kvm, sp) & SP_UNSYNC) !== 0;
export const spUnsyncChildren = (kvm: Kvm, sp: number): number => kvm.w[kvm.header(sp) + SP.unsyncChildren]!;

/** First word of unsync_child_bitmap; only indirect pages have one. */
function bitmapWord(kvm: Kvm, sp: number, index: number): number {
  const info = kvm.w[kvm.header(sp) + SP.shadowInfo]!;
  if (info === 0) throw new KernelBug('Q17', `direct page ${sp} has no unsync children`, [kvm.header(sp)]);
  return kvm.layout.unsyncBitmaps + info * kvm.layout.unsyncWords + (index >> 5);
}

const lockOf = (kvm: Kvm): SpinLock => ({
  word: kvm.base + KVM.unsyncPagesLock,
  held: HELD_UNSYNC_PAGES,
  name: 'mmu_unsync_pages_lock',
});

/**
 * mmu_try_to_unsync_pages(), for a leaf of either MMU that is to map `gfn` writable; mmu_lock is held, for read or write.
 * The pages that shadow a level-1 table at `gfn` go out of sync, before the caller makes W visible.
 * @param canUnsync false when a sync itself asks (A6)
 * @returns true if the gfn must stay write-protected
 */
export function* mmuTryToUnsyncPages(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  gfn: number,
  canUnsync: boolean,
  prefetch: boolean,
): Steps<boolean> {
  if (!mayHoldTable(kvm, gfn)) return false;
  if (kvm.w[slot.writeTrackWord(gfn)]! > 0) return true;
  let locked = false;
  for (const sp of spsWithGptes(kvm, gfn)) {
    // Nothing was unsynced before either of these: they hold for the whole loop.
    if (!canUnsync || !kvm.config.unsync) return true;
    const flags = kvm.header(sp) + SP.flags;
    if (cpu.stepped && cpu.stops(Op.Load, flags)) yield;
    if ((cpu.load(flags) & SP_UNSYNC) !== 0) continue;
    if (prefetch) {
      if (locked) yield* spinUnlock(cpu, lockOf(kvm), kvm.observer);
      return true;
    }
    if (!locked) {
      yield* spinLock(cpu, lockOf(kvm), kvm.observer);
      locked = true;
      // Another fault of the TDP MMU may have been faster.
      if (cpu.stepped && cpu.stops(Op.Load, flags)) yield;
      if ((cpu.load(flags) & SP_UNSYNC) !== 0) continue;
    }
    yield* kvmUnsyncPage(kvm, cpu, sp);
  }
  if (locked) yield* spinUnlock(cpu, lockOf(kvm), kvm.observer);
  return false;
}

/** kvm_unsync_page(): mmu_unsync_pages_lock is held. */
function* kvmUnsyncPage(kvm: Kvm, cpu: Cpu, sp: number): Steps<void> {
  if (roleLevel(spRole(kvm, sp)) !== 1) {
    throw new KernelBug('Q18', `page ${sp} above level 1 is to go out of sync`, [kvm.header(sp) + SP.role]);
  }
  cpu.count(C.unsyncPages);
  const flags = kvm.header(sp) + SP.flags;
  if (cpu.stepped && cpu.stops(Op.Store, flags)) yield;
  cpu.store(flags, spFlags(kvm, sp) | SP_UNSYNC);
  yield* kvmMmuMarkParentsUnsync(kvm, cpu, sp);
}

/** kvm_mmu_mark_parents_unsync(). */
function* kvmMmuMarkParentsUnsync(kvm: Kvm, cpu: Cpu, sp: number): Steps<void> {
  for (const sptep of pteListEntries(kvm, parentPtesWord(kvm, sp))) yield* markUnsync(kvm, cpu, sptep);
}

/** mark_unsync(): the child that `sptep` points to is unsync or leads to a page that is. */
export function* markUnsync(kvm: Kvm, cpu: Cpu, sptep: number): Steps<void> {
  const sp = sptepToSp(kvm, sptep);
  const index = spteIndex(kvm, sptep);
  const word = bitmapWord(kvm, sp, index);
  const bit = 1 << (index & 31);
  if ((kvm.w[word]! & bit) !== 0) return;
  kvm.arena.put(word, kvm.w[word]! | bit);
  const children = spUnsyncChildren(kvm, sp);
  // is_unsync_root() reads the count of a root without any lock.
  const count = kvm.header(sp) + SP.unsyncChildren;
  if (cpu.stepped && cpu.stops(Op.Store, count)) yield;
  cpu.store(count, children + 1);
  if (children === 0) yield* kvmMmuMarkParentsUnsync(kvm, cpu, sp);
}

/** clear_unsync_child_bit(): mmu_lock is held for write. */
export function* clearUnsyncChildBit(kvm: Kvm, cpu: Cpu, sp: number, index: number): Steps<void> {
  const word = bitmapWord(kvm, sp, index);
  const children = spUnsyncChildren(kvm, sp);
  if (children === 0) {
    throw new KernelBug('Q17', `page ${sp} has no unsync child to take off its count`, [kvm.header(sp)]);
  }
  kvm.arena.put(word, kvm.w[word]! & ~(1 << (index & 31)));
  const count = kvm.header(sp) + SP.unsyncChildren;
  if (cpu.stepped && cpu.stops(Op.Store, count)) yield;
  cpu.store(count, children - 1);
}

/** kvm_unlink_unsync_page(): the page is up to date again, or goes away. */
export function unlinkUnsyncPage(kvm: Kvm, sp: number): void {
  spPut(kvm, sp, SP.flags, spFlags(kvm, sp) & ~SP_UNSYNC);
}

/** struct kvm_mmu_pages with mmu_page_path: one batch of unsync pages, and the way to the one at hand. */
export class UnsyncPages {
  private readonly kvm: Kvm;
  private readonly cpu: Cpu;
  private nr = 0;
  private at = 0;
  private readonly sp: number[] = [];
  private readonly index: number[] = [];
  /** By level of the child minus 1: its parent, and its place there. */
  private readonly parents: number[] = [0, 0, 0, 0, 0, 0];
  private readonly places: number[] = [0, 0, 0, 0, 0, 0];

  constructor(kvm: Kvm, cpu: Cpu) {
    this.kvm = kvm;
    this.cpu = cpu;
  }

  /** mmu_unsync_walk(): collects a batch below `root`; false if nothing is unsync. */
  *walk(root: number): Steps<boolean> {
    this.nr = 0;
    if (spUnsyncChildren(this.kvm, root) === 0) return false;
    this.add(root, -1);
    return (yield* this.collect(root)) !== 0;
  }

  /** mmu_pages_add(): true if the batch is full. */
  private add(sp: number, index: number): boolean {
    // An unsync page may be reached through several parents; the others are looked at in the next walk.
    for (let i = 0; i < this.nr; i++) if (this.sp[i] === sp && spUnsync(this.kvm, sp)) return false;
    this.sp[this.nr] = sp;
    this.index[this.nr] = index;
    this.nr++;
    return this.nr === PAGE_ARRAY_NR;
  }

  /** __mmu_unsync_walk(): unsync pages found, or -1 when the batch is full; clears bits that lead nowhere. */
  private *collect(sp: number): Steps<number> {
    const { kvm, cpu } = this;
    let found = 0;
    for (let index = 0; index < kvm.entries; index++) {
      if ((kvm.w[bitmapWord(kvm, sp, index)]! & (1 << (index & 31))) === 0) continue;
      const sptep = sptepOf(kvm, sp, index);
      const lo = heldLo(kvm, sptep);
      const child = isShadowPresent(lo) && !isLarge(lo) ? spteChildSp(kvm, lo, heldHi(kvm, sptep)) : 0;
      if (child !== 0 && spUnsyncChildren(kvm, child) > 0) {
        if (this.add(child, index)) return -1;
        const below = yield* this.collect(child);
        if (below < 0) return below;
        if (below === 0) yield* clearUnsyncChildBit(kvm, cpu, sp, index);
        found += below;
      } else if (child !== 0 && spUnsync(kvm, child)) {
        found++;
        if (this.add(child, index)) return -1;
      } else yield* clearUnsyncChildBit(kvm, cpu, sp, index);
    }
    return found;
  }

  /** mmu_pages_first(): the first unsync page of the batch, or 0. */
  first(): number {
    if (this.nr === 0) return 0;
    const root = this.sp[0]!;
    const level = roleLevel(spRole(this.kvm, root));
    this.parents[level - 2] = root;
    this.parents[level - 1] = 0;
    this.at = 0;
    return this.next();
  }

  /** mmu_pages_next(): the next unsync page, or 0. */
  next(): number {
    for (this.at++; this.at < this.nr; this.at++) {
      const sp = this.sp[this.at]!;
      const level = roleLevel(spRole(this.kvm, sp));
      this.places[level - 1] = this.index[this.at]!;
      if (level === 1) return sp;
      this.parents[level - 2] = sp;
    }
    return 0;
  }

  /** mmu_pages_clear_parents(): the page at hand is done, so its ancestors forget it. */
  *clearParents(): Steps<void> {
    for (let level = 0; ; level++) {
      const sp = this.parents[level]!;
      if (sp === 0) return;
      yield* clearUnsyncChildBit(this.kvm, this.cpu, sp, this.places[level]!);
      if (spUnsyncChildren(this.kvm, sp) > 0) return;
    }
  }
}
