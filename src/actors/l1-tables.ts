/**
 * L1's view of its own nested tables: finding entries, pages and free tables. L1 holds its own lock when it looks, so only A
 * and D can change meanwhile, and nothing here depends on them.
 */
import type { Rng } from '../cpu/random.ts';
import { PG_LEVEL_1G } from '../mmu/config.ts';
import { ACC_WRITE, SPTE_PS, SPTE_W, sptePfn, type ACC_EXEC } from '../mmu/format.ts';
import type { Kvm } from '../mmu/kvm.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import { gpteQ, isLastGpte, isPresentGpte, walkIndex } from '../mmu/shadow/walk-addr.ts';
import { pfnHi, pfnLo } from '../mmu/spte.ts';

/** EPT's bit 0, the right to read. */
const EPT_R = 1;

/** Looks before L1 gives up to find what it wants. */
export const TRIES = 6;

/** An entry of one of L1's tables, as a walk for `l2Gfn` met it. */
export interface L1Entry {
  readonly root: number;
  readonly level: number;
  readonly tableGfn: number;
  /** 8-byte index. */
  readonly q: number;
  readonly lo: number;
  readonly hi: number;
}

/** The value of an entry. */
export interface GpteValue {
  readonly lo: number;
  readonly hi: number;
}

/** L1's own software changes all of an entry but A and D, which walks set as they please. */
function entryAt(kvm: Kvm, root: number, level: number, tableGfn: number, index: number): L1Entry {
  const q = gpteQ(kvm, tableGfn, index);
  const { accessedLo, dirtyLo } = kvm.format;
  return {
    root,
    level,
    tableGfn,
    q,
    lo: kvm.arena.bits(q * 2, ~(accessedLo | dirtyLo)),
    hi: kvm.w[q * 2 + 1]!,
  };
}

export const isMapped = (kvm: Kvm, { lo }: L1Entry): boolean => isPresentGpte(kvm.format, lo);
export const isLeaf = (kvm: Kvm, entry: L1Entry): boolean =>
  isMapped(kvm, entry) && isLastGpte(entry.lo, entry.level);
/** First gfn a leaf maps, or the gfn of the table below. */
export const entryGfn = ({ lo, hi }: L1Entry): number => sptePfn(lo, hi);

/** The entries of a walk from the root down to the leaf, or to the first entry that is not present. */
export function walkL1(kvm: Kvm, root: number, l2Gfn: number): L1Entry[] {
  const path: L1Entry[] = [];
  let tableGfn = kvm.config.tableGfn + kvm.l1RootTable(root);
  for (let level = kvm.l1RootLevel(root); ; level--) {
    const entry = entryAt(kvm, root, level, tableGfn, walkIndex(kvm, l2Gfn, level));
    path.push(entry);
    if (!isMapped(kvm, entry) || isLeaf(kvm, entry)) return path;
    tableGfn = entryGfn(entry);
  }
}

/** The entries of the table at `gfn`, which is of `level`. */
export function tableEntries(kvm: Kvm, root: number, gfn: number, level: number): L1Entry[] {
  return Array.from({ length: kvm.entries }, (_, index) => entryAt(kvm, root, level, gfn, index));
}

/** L1's table pages that no entry of a reachable table names, of those it may build with. */
export function freeTables(kvm: Kvm): number[] {
  const { tableGfn, tablePages, l1SpareTables, roots } = kvm.config;
  const used = new Set<number>();
  const visit = (root: number, gfn: number, level: number): void => {
    used.add(gfn);
    if (level === 1) return;
    for (const entry of tableEntries(kvm, root, gfn, level)) {
      if (isMapped(kvm, entry) && !isLeaf(kvm, entry)) visit(root, entryGfn(entry), level - 1);
    }
  };
  roots.forEach((_, root) => {
    visit(root, tableGfn + kvm.l1RootTable(root), kvm.l1RootLevel(root));
  });
  const end = tableGfn + tablePages;
  return Array.from({ length: l1SpareTables }, (_, i) => end - l1SpareTables + i).filter(
    (gfn) => !used.has(gfn),
  );
}

/** First page of `level` in the slot, and how many there are; all of them aligned. */
function pagesIn(kvm: Kvm, { baseGfn, npages }: MemSlot, level: number): { first: number; count: number } {
  const pages = kvm.pages(level);
  const first = Math.ceil(baseGfn / pages) * pages;
  return { first, count: Math.max(0, Math.floor((baseGfn + npages - first) / pages)) };
}

/** A page of `level` that L1 may map for L2, out of these slots and without L1's own tables; -1 if it finds none. */
export function randomTarget(kvm: Kvm, slots: readonly MemSlot[], level: number, rng: Rng): number {
  const { tableGfn, tablePages } = kvm.config;
  const total = slots.reduce((sum, slot) => sum + pagesIn(kvm, slot, level).count, 0);
  if (total === 0) return -1;
  for (let tries = 0; tries < TRIES; tries++) {
    let at = rng.below(total);
    for (const slot of slots) {
      const { first, count } = pagesIn(kvm, slot, level);
      const gfn = first + at * kvm.pages(level);
      at -= count;
      if (at >= 0) continue;
      if (gfn + kvm.pages(level) <= tableGfn || gfn >= tableGfn + tablePages) return gfn;
      break;
    }
  }
  return -1;
}

/** A leaf like `from` that maps `gfn`; `accessed` and `dirty` are what L1 presets. */
export function leafLike(
  kvm: Kvm,
  from: GpteValue,
  gfn: number,
  accessed: boolean,
  dirty: boolean,
): GpteValue {
  const f = kvm.format;
  const kept = from.lo & 0xfff & ~(f.accessedLo | f.dirtyLo);
  const ad = (accessed ? f.accessedLo : 0) | (accessed && dirty ? f.dirtyLo : 0);
  return { lo: kept | ad | pfnLo(gfn), hi: (from.hi & ~0xfffff) | pfnHi(gfn) };
}

/** A leaf of `level` with all permissions. */
export function newLeaf(kvm: Kvm, gfn: number, level: number): GpteValue {
  const f = kvm.format;
  const lo = SPTE_W | (f.name === 'ept' ? 0x5 | f.memtypeLo : 0x1 | f.userLo);
  return { lo: lo | f.accessedLo | f.dirtyLo | (level > 1 ? SPTE_PS : 0) | pfnLo(gfn), hi: pfnHi(gfn) };
}

/** A table entry: everything permitted, A set. */
export function tableGpte(kvm: Kvm, gfn: number): GpteValue {
  const f = kvm.format;
  const lo = 0x7 | f.accessedLo | (f.name === 'npt' ? f.dirtyLo : 0);
  return { lo: lo | pfnLo(gfn), hi: pfnHi(gfn) };
}

/** The entry with W or X the other way round, and whether that takes something away. */
export function flipPermission(
  kvm: Kvm,
  entry: L1Entry,
  acc: typeof ACC_WRITE | typeof ACC_EXEC,
): GpteValue & { readonly less: boolean } {
  const f = kvm.format;
  const { lo, hi } = entry;
  // What EPT lets be written can be read as well.
  if (acc === ACC_WRITE && f.name === 'ept' && (lo & EPT_R) === 0) {
    return { lo: lo | EPT_R | SPTE_W, hi, less: false };
  }
  if (acc === ACC_WRITE) return { lo: lo ^ SPTE_W, hi, less: (lo & SPTE_W) !== 0 };
  if (f.name === 'ept') return { lo: lo ^ f.execLo, hi, less: (lo & f.execLo) !== 0 };
  return { lo, hi: hi ^ f.nxHi, less: (hi & f.nxHi) === 0 };
}

/** The leaf with the right to execute and nothing else, which only EPT can say; undefined with NPT. */
export function executeOnlyLeaf(kvm: Kvm, { lo, hi }: L1Entry): GpteValue | undefined {
  const f = kvm.format;
  return f.name === 'ept' ? { lo: (lo & ~(EPT_R | SPTE_W)) | f.execLo, hi } : undefined;
}

/** What the entries of a table are that translates as the huge `entry` does. */
export function splitLeaf(kvm: Kvm, entry: L1Entry): GpteValue[] {
  const level = entry.level - 1;
  const base = entryGfn(entry);
  // As software does that cannot tell which of the pages were touched.
  const ad = kvm.format.accessedLo | kvm.format.dirtyLo;
  const lo = (level === 1 ? entry.lo & ~SPTE_PS : entry.lo) | ad;
  return Array.from({ length: kvm.entries }, (_, i) => {
    const gfn = base + i * kvm.pages(level);
    return { lo: (lo & 0xfff) | pfnLo(gfn), hi: (entry.hi & ~0xfffff) | pfnHi(gfn) };
  });
}

/** The huge leaf that translates as the table below `entry` does, if there is one. */
export function mergedLeaf(kvm: Kvm, entry: L1Entry): GpteValue | undefined {
  if (entry.level < 2 || entry.level > PG_LEVEL_1G || !isMapped(kvm, entry) || isLeaf(kvm, entry)) {
    return undefined;
  }
  const f = kvm.format;
  const level = entry.level - 1;
  const below = tableEntries(kvm, entry.root, entryGfn(entry), level);
  const first = below[0]!;
  const base = entryGfn(first);
  if (!isLeaf(kvm, first) || base % kvm.pages(entry.level) !== 0) return undefined;
  const ad = f.accessedLo | f.dirtyLo;
  const alike = (other: L1Entry, i: number): boolean =>
    isLeaf(kvm, other) &&
    entryGfn(other) === base + i * kvm.pages(level) &&
    ((other.lo ^ first.lo) & 0xfff & ~ad) === 0 &&
    ((other.hi ^ first.hi) & ~0xfffff) === 0;
  if (!below.every(alike)) return undefined;
  return { lo: (first.lo & 0xfff) | ad | SPTE_PS | pfnLo(base), hi: first.hi };
}
