/**
 * The paging-structure cache of a vCPU: what the walker remembers of entries that lead to tables (kernel-facts 5.6, last
 * but one row). With it a walk starts below the root, so a table that was unlinked without a flush goes on being used.
 *
 * Replacement is round robin. It lies in the arena for the checks, but only its vCPU writes it; a full flush moves the
 * epoch that it shares with the TLB. A cached entry for (root, level, prefix) stands for the SPTE of `level` and names
 * the table one level below, with the permissions of all entries from the root to there.
 */
import { PSC_ENTRY_WORDS } from '../arena/layout.ts';
import type { Kvm } from './kvm.ts';
import { liveEpoch } from './tlb-epoch.ts';
import { VCPU } from './vcpu-words.ts';
import type { Vcpu } from './vcpu.ts';

const EPOCH = 0;
const ROOT = 1;
const LEVEL = 2;
const PREFIX = 3;
const TABLE = 4;
const PERM = 5;

/** The part of an L2 address that selects an entry of `level`. */
function prefixOf(kvm: Kvm, l2Gfn: number, level: number): number {
  const shift = (level - 1) * kvm.tableBits;
  return shift > 31 ? 0 : l2Gfn >>> shift;
}

const pscBase = (kvm: Kvm, vcpu: number): number =>
  kvm.layout.psc + vcpu * kvm.config.pscEntries * PSC_ENTRY_WORDS;

/** Where a walk may start, by the last lookup. */
export class PscHit {
  /** Level of the table. */
  level = 0;
  table = 0;
  perm = 0;
}

/** Looks for the entry that leads furthest down; true if there is one. */
export function pscLookup(vcpu: Vcpu, root: number, l2Gfn: number, hit: PscHit): boolean {
  const { kvm } = vcpu;
  const { w } = kvm;
  const epoch = liveEpoch(kvm, vcpu.index);
  const base = pscBase(kvm, vcpu.index);
  hit.level = 0;
  for (let i = 0; i < kvm.config.pscEntries; i++) {
    const at = base + i * PSC_ENTRY_WORDS;
    const level = w[at + LEVEL]!;
    if (w[at + EPOCH] !== epoch || w[at + ROOT] !== root) continue;
    if (w[at + PREFIX] !== prefixOf(kvm, l2Gfn, level) || (hit.level !== 0 && level > hit.level)) continue;
    hit.level = level - 1;
    hit.table = w[at + TABLE]!;
    hit.perm = w[at + PERM]!;
  }
  return hit.level !== 0;
}

/** Remembers that the entry of `level` for this address leads to `table`. */
export function pscFill(
  vcpu: Vcpu,
  root: number,
  l2Gfn: number,
  level: number,
  table: number,
  perm: number,
): void {
  const { kvm } = vcpu;
  const { w, arena } = kvm;
  const { pscEntries } = kvm.config;
  const epoch = liveEpoch(kvm, vcpu.index);
  const base = pscBase(kvm, vcpu.index);
  const prefix = prefixOf(kvm, l2Gfn, level);
  let at = 0;
  for (let i = 0; i < pscEntries && at === 0; i++) {
    const entry = base + i * PSC_ENTRY_WORDS;
    const same = w[entry + ROOT] === root && w[entry + LEVEL] === level && w[entry + PREFIX] === prefix;
    if (same && w[entry + EPOCH] === epoch) at = entry;
  }
  if (at === 0) {
    const next = vcpu.word(VCPU.pscNext);
    at = base + w[next]! * PSC_ENTRY_WORDS;
    arena.put(next, (w[next]! + 1) % pscEntries);
  }
  arena.touchRange(at, PSC_ENTRY_WORDS);
  w[at + EPOCH] = epoch;
  w[at + ROOT] = root;
  w[at + LEVEL] = level;
  w[at + PREFIX] = prefix;
  w[at + TABLE] = table;
  w[at + PERM] = perm;
}

/** Drops the entries that `which` picks. Nothing happens without a cache. */
export function pscDrop(vcpu: Vcpu, which: (entry: PscEntry) => boolean): void {
  const { kvm } = vcpu;
  if (kvm.config.pscEntries === 0) return;
  for (const entry of pscEntries(kvm, vcpu.index)) if (which(entry)) kvm.arena.put(entry.word + EPOCH, 0);
}

/** What a fault at an address, or INVLPG, takes along: every entry on the way to it. */
export function pscDropAddress(vcpu: Vcpu, root: number, l2Gfn: number): void {
  pscDrop(
    vcpu,
    (entry) =>
      entry.root === root &&
      prefixOf(vcpu.kvm, l2Gfn, entry.level) === prefixOf(vcpu.kvm, entry.l2Gfn, entry.level),
  );
}

/** INVEPT of a single context. */
export function pscDropRoot(vcpu: Vcpu, root: number): void {
  pscDrop(vcpu, (entry) => entry.root === root);
}

/** A live entry as a check sees it. */
export interface PscEntry {
  readonly vcpu: number;
  readonly root: number;
  /** Level of the SPTE it stands for; the table is of the level below. */
  readonly level: number;
  /** First L2 gfn (gfn of L1 under ROOT_L1) below that SPTE. */
  readonly l2Gfn: number;
  readonly table: number;
  /** TLB_ bits from the root to here. */
  readonly perm: number;
  readonly word: number;
}

/** The live entries of a vCPU, in a fixed order. */
export function pscEntries(kvm: Kvm, vcpu: number): PscEntry[] {
  const { w } = kvm;
  const epoch = liveEpoch(kvm, vcpu);
  const base = pscBase(kvm, vcpu);
  const entries: PscEntry[] = [];
  for (let i = 0; i < kvm.config.pscEntries; i++) {
    const word = base + i * PSC_ENTRY_WORDS;
    if (w[word + EPOCH] !== epoch) continue;
    const level = w[word + LEVEL]!;
    const shift = (level - 1) * kvm.tableBits;
    entries.push({
      vcpu,
      root: w[word + ROOT]!,
      level,
      l2Gfn: shift > 31 ? 0 : w[word + PREFIX]! << shift,
      table: w[word + TABLE]!,
      perm: w[word + PERM]!,
      word,
    });
  }
  return entries;
}
