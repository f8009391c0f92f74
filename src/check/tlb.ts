/**
 * State checks of the TLBs (kernel-facts 6.4, 5.6): Q49, Q50.
 *
 * An entry covers up to a level-3 page of 4K leaves. A table whose leaves continue each other's frames is summed up once
 * per run (first frame, permissions they all have), so an entry costs one comparison however much it covers. Only an
 * entry that fails the comparison is taken apart to name the culprit.
 */
import {
  ACC_TRACK_SAVED_LO,
  ACC_TRACK_SHIFT_HI,
  isExecutable,
  isLarge,
  isMmuWritable,
  isReadable,
  isShadowPresent,
  isWritable,
  SPTE_AD_DISABLED_HI,
  SPTE_AD_MASK_HI,
  sptePfn,
} from '../mmu/format.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../mmu/config.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import { roleDirect, roleLevel } from '../mmu/role.ts';
import { spRole, spTable } from '../mmu/shadow-page.ts';
import { walkIndex } from '../mmu/shadow/walk-addr.ts';
import { TLB, TLB_DIRTY, TLB_R, TLB_W, TLB_X } from '../mmu/tlb.ts';
import { ROOT_L1, VCPU } from '../mmu/vcpu-words.ts';
import { HeadCursor } from './head-cursor.ts';
import { isLeaving } from './leaving.ts';
import { hex, sptepName } from './naming.ts';
import { permText, tlbCursor, type TlbCursor } from './tlb-cursor.ts';
import type { ReportBroken, StateCheck } from './types.ts';

const ALL = TLB_R | TLB_W | TLB_X | TLB_DIRTY;
/** Summary of a table with a hole or with frames out of line. */
const MIXED = -1;

/** What the tables of one machine say, remembered for one run. */
class Summaries {
  readonly kvm: Kvm;
  /** Set while a harvest has write-protected and not yet flushed: MMU-writable counts as writable. */
  private deferred = false;
  /** E2 clears MMU-writable too on huge pages that it cannot split (3.1), and still flushes at its end only. */
  private deferredAny = false;
  private readonly pml: boolean;
  private readonly stamps: Int32Array;
  private readonly pfns: Int32Array;
  private readonly perms: Int8Array;
  private stamp = 0;
  private readonly cursor: HeadCursor;

  constructor(kvm: Kvm) {
    this.kvm = kvm;
    this.cursor = new HeadCursor(kvm);
    this.pml = kvm.config.pmlEntries > 0;
    const tables = kvm.layout.dims.tables + 1;
    this.stamps = new Int32Array(tables);
    this.pfns = new Int32Array(tables);
    this.perms = new Int8Array(tables);
  }

  begin(): void {
    const { kvm } = this;
    // Four stamps per run: a broken machine may link one table at several levels.
    this.stamp = (this.stamp + 4) | 0;
    this.deferred = kvm.get(KVM.deferredFlush) !== 0;
    this.deferredAny = this.deferred && kvm.get(KVM.manualProtect) > 1;
  }

  /** The most that a TLB may hold for a leaf: its permissions, and W where only a flush that is owed took it. */
  leafPerm(lo: number, hi: number): number {
    const f = this.kvm.format;
    let perm =
      (isReadable(f, lo) ? TLB_R : 0) | (isWritable(lo) ? TLB_W : 0) | (isExecutable(f, lo, hi) ? TLB_X : 0);
    // A TLB that remembers D will not set it again: with D-bit logging the next write would go unseen (5.6).
    const lostDirty = this.pml && !this.deferred && (hi & SPTE_AD_MASK_HI) === 0 && (lo & f.dirtyLo) === 0;
    if (!lostDirty) perm |= TLB_DIRTY;
    const maySkip = this.deferred && (this.deferredAny || isMmuWritable(f, lo, hi));
    if (maySkip) perm |= TLB_W;
    // Clearing A needs no flush (5.6), and without A bits that takes R, W and X along (H-C).
    if (f.name === 'ept' && (lo & 7) === 0 && (hi & SPTE_AD_MASK_HI) === SPTE_AD_DISABLED_HI) {
      const saved = (hi >>> ACC_TRACK_SHIFT_HI) & ACC_TRACK_SAVED_LO;
      perm |= (saved & 1 ? TLB_R : 0) | (saved & 4 ? TLB_X : 0) | (isMmuWritable(f, lo, hi) ? TLB_W : 0);
    }
    return perm;
  }

  /** True if a leaf of some size in the reverse maps of `gfn` leads to `pfn` and permits all of `perm`. */
  isMapped(slot: MemSlot, gfn: number, pfn: number, perm: number): boolean {
    const { kvm, cursor } = this;
    for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
      const head = slot.rmapWord(gfn, level);
      for (let sptep = cursor.first(head); sptep !== 0; sptep = cursor.next()) {
        const lo = kvm.w[sptep * 2]!;
        const hi = kvm.w[sptep * 2 + 1]!;
        if (!isShadowPresent(lo) || sptePfn(lo, hi) + (gfn & (kvm.pages(level) - 1)) !== pfn) continue;
        if ((perm & ~this.leafPerm(lo, hi)) === 0) return true;
      }
    }
    return false;
  }

  /** The table below a non-leaf value, or 0 if there is no such table. */
  tableBelow(lo: number, hi: number): number {
    const table = sptePfn(lo, hi) - this.kvm.tablePfnBase;
    return table > 0 && table <= this.kvm.layout.dims.tables ? table : 0;
  }

  /** Permissions that all of `table` grants if its leaves are consecutive frames (then `pfn(table)` is the first), or MIXED. */
  sum(table: number, level: number): number {
    const stamp = this.stamp + level;
    if (this.stamps[table] === stamp) return this.perms[table]!;
    const perm = this.computeSum(table, level);
    this.stamps[table] = stamp;
    this.perms[table] = perm;
    return perm;
  }

  pfn(table: number): number {
    return this.pfns[table]!;
  }

  private computeSum(table: number, level: number): number {
    const { kvm } = this;
    const { w, entries } = kvm;
    const step = kvm.pages(level);
    const base = (kvm.tablesQ + (table << kvm.tableBits)) * 2;
    let first = 0;
    let all = ALL;
    let lastLo = -1;
    let lastHi = -1;
    for (let i = 0; i < entries; i++) {
      const lo = w[base + i * 2]!;
      const hi = w[base + i * 2 + 1]!;
      if (!isShadowPresent(lo)) return MIXED;
      let pfn = sptePfn(lo, hi);
      if (level === 1 || isLarge(lo)) {
        // Leaves of one split differ in the frame only.
        if ((lo & 0xfff) !== lastLo || (hi & ~0xfffff) !== lastHi) {
          all &= this.leafPerm(lo, hi);
          lastLo = lo & 0xfff;
          lastHi = hi & ~0xfffff;
        }
      } else {
        const below = this.tableBelow(lo, hi);
        if (below === 0) return MIXED;
        const perm = this.sum(below, level - 1);
        if (perm === MIXED) return MIXED;
        all &= perm;
        pfn = this.pfns[below]!;
      }
      if (i === 0) first = pfn;
      else if (pfn !== first + i * step) return MIXED;
    }
    this.pfns[table] = first;
    return all;
  }
}

const summaries = new WeakMap<Kvm, Summaries>();

export const tlbCheck: StateCheck = {
  ids: ['Q49', 'Q50'],
  when: 'release',
  tdp: true,
  run(kvm, broken) {
    let sums = summaries.get(kvm);
    if (sums === undefined) {
      sums = new Summaries(kvm);
      summaries.set(kvm, sums);
    }
    sums.begin();
    const cursor = tlbCursor(kvm);
    while (cursor.next(0)) checkEntry(sums, cursor, broken);
  },
};

/** Walks from the entry's root to where the entry's own page begins, and compares. */
function checkEntry(sums: Summaries, entry: TlbCursor, broken: ReportBroken): void {
  const { kvm } = sums;
  const { w } = kvm;
  if (entry.root < 0 || entry.root > ROOT_L1) return;
  const rootSp = w[kvm.vcpuWord(entry.vcpu) + VCPU.roots + entry.root]!;
  // A root that was let go is flushed with before it is used again; a vCPU cannot enter without one.
  if (rootSp <= 0 || rootSp > kvm.layout.dims.tables || isLeaving(kvm, entry.vcpu, rootSp)) return;
  const perm = entry.perm & ALL;
  let table = spTable(kvm, rootSp);
  for (let level = roleLevel(spRole(kvm, rootSp)); level >= 1; level--) {
    const sptep = kvm.tablesQ + (table << kvm.tableBits) + walkIndex(kvm, entry.l2Gfn, level);
    const lo = w[sptep * 2]!;
    const hi = w[sptep * 2 + 1]!;
    if (level === 1 || !isShadowPresent(lo) || isLarge(lo)) {
      const offset = entry.l2Gfn & (kvm.pages(level) - 1);
      reportLeaf(sums, entry, sptep, lo, hi, entry.pfn - offset, entry.level, broken);
      return;
    }
    table = sums.tableBelow(lo, hi);
    if (table === 0) return; // Q6 names it
    if (level > entry.level) continue;
    const all = sums.sum(table, level - 1);
    if (all !== MIXED && sums.pfn(table) === entry.pfn && (perm & ~all) === 0) return;
    takeApart(sums, entry, table, level - 1, entry.pfn, broken);
    return;
  }
}

/** Finds the first entry below `table` that the TLB entry contradicts. Returns true once it was reported. */
function takeApart(
  sums: Summaries,
  entry: TlbCursor,
  table: number,
  level: number,
  pfn: number,
  broken: ReportBroken,
): boolean {
  const { kvm } = sums;
  const first = kvm.tablesQ + (table << kvm.tableBits);
  for (let i = 0; i < kvm.entries; i++) {
    const lo = kvm.w[(first + i) * 2]!;
    const hi = kvm.w[(first + i) * 2 + 1]!;
    const here = pfn + i * kvm.pages(level);
    if (level === 1 || !isShadowPresent(lo) || isLarge(lo)) {
      if (reportLeaf(sums, entry, first + i, lo, hi, here, level, broken)) return true;
      continue;
    }
    const below = sums.tableBelow(lo, hi);
    if (below !== 0 && takeApart(sums, entry, below, level - 1, here, broken)) return true;
  }
  return false;
}

/**
 * L1 may write an unsync table, and a fault then brings its entry up to date in place, with a flush for nothing but a lost W (5.2,
 * step 8 c). Until L1 executes INVEPT its other vCPUs may go on with R and X as before; what they may use afterwards is looked
 * at by src/check/steps-invept.ts.
 */
function isForL1ToInvalidate(kvm: Kvm, sptep: number, level: number, over: number): boolean {
  if (level !== 1 || (over & ~(TLB_R | TLB_X)) !== 0) return false;
  const sp = kvm.w[kvm.tableOwner + ((sptep - kvm.tablesQ) >> kvm.tableBits)]!;
  return sp !== 0 && !roleDirect(spRole(kvm, sp));
}

/**
 * L1 has put another page in the place of a huge one, and a fault that came before KVM had heard of it has linked that page and
 * flushed its gfn. The table of the old page lost its parent, and its leaves stay in the reverse maps: whoever takes one away flushes
 * for its gfn, and finds the TLB entry by it; whoever frees the table flushes everything. So nothing is lost as long as leaves of the old
 * page permit what the entry does. (A leaf that was dropped itself leaves nothing behind: that is what Q49 is for.)
 */
function isFoundByItsGfn(sums: Summaries, entry: TlbCursor): boolean {
  const { kvm } = sums;
  if (kvm.config.flushBackend !== 'range-l2' || entry.root === ROOT_L1) return false;
  const first = kvm.w[entry.word + TLB.gfn]!;
  const slot = kvm.slotOf(first);
  if (slot === undefined) return false;
  const pages = kvm.pages(entry.level);
  for (let i = 0; i < pages; i++)
    if (!sums.isMapped(slot, first + i, entry.pfn + i, entry.perm & ALL)) return false;
  return true;
}

/** Compares one leaf, or the lack of one, with the TLB entry. `level` is the entry's own or, in a table below it, lower. */
function reportLeaf(
  sums: Summaries,
  entry: TlbCursor,
  sptep: number,
  lo: number,
  hi: number,
  pfn: number,
  level: number,
  broken: ReportBroken,
): boolean {
  const { kvm } = sums;
  const words = [entry.word, sptep * 2];
  if (!isShadowPresent(lo)) {
    const id = level < entry.level ? 'Q50' : 'Q49';
    broken(
      id,
      `${entry.label} covers ${sptepName(kvm, sptep)}, which maps nothing, and no flush is pending`,
      words,
    );
    return true;
  }
  const found = sptePfn(lo, hi);
  if (found !== pfn && isFoundByItsGfn(sums, entry)) return false;
  if (found !== pfn) {
    broken(
      'Q49',
      `${entry.label} names frame ${hex(pfn)} where ${sptepName(kvm, sptep)} maps ${hex(found)}, and no flush is pending`,
      words,
    );
    return true;
  }
  const allowed = sums.leafPerm(lo, hi);
  const over = entry.perm & ALL & ~allowed;
  if (over === 0 || isForL1ToInvalidate(kvm, sptep, level, over)) return false;
  broken(
    'Q49',
    `${entry.label} grants more than ${sptepName(kvm, sptep)} (${permText(allowed)}${allowed & TLB_DIRTY ? '' : ', D clear'}), and no flush is pending`,
    words,
  );
  return true;
}
