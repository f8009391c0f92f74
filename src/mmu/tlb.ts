/**
 * The private TLB of a vCPU: direct-mapped, one part per page size, tagged with the root (kernel-facts 1.5).
 *
 * It lies in the arena so that the checks can look at it from outside, but only its vCPU writes it. A flush moves the
 * epoch; entries of an older epoch are dead.
 */
import { TLB_ENTRY_WORDS } from '../arena/layout.ts';
import { C } from '../cpu/counters.ts';
import type { Kvm } from './kvm.ts';
import { pscDropAddress, pscDropRoot } from './psc.ts';
import { liveEpoch } from './tlb-epoch.ts';
import type { Vcpu } from './vcpu.ts';
import { VCPU } from './vcpu-words.ts';

/** Offsets in an entry; the checks read them too. */
const TAG = 0;
const EPOCH = 1;
const PFN = 2;
const PERM = 3;
const ROOT = 4;
/** First gfn of L1 behind the entry; only kept for a backend that goes by it. */
const GFN = 5;

/** Permission bits of an entry; TLB_DIRTY says the D bit was set when it was filled. */
export const TLB_R = 1;
export const TLB_W = 2;
export const TLB_X = 4;
export const TLB_DIRTY = 8;

/** Word of the entry that `l2Gfn` would use at `level`. */
function entryWord(kvm: Kvm, vcpu: number, l2Gfn: number, level: number): number {
  const tag = l2Gfn >>> ((level - 1) * kvm.tableBits);
  const index = tag & ((1 << kvm.config.tlbBits) - 1);
  return kvm.tlbBase(vcpu) + (level - 1) * kvm.tlbLevelWords + index * TLB_ENTRY_WORDS;
}

export const TLB = { tag: TAG, epoch: EPOCH, pfn: PFN, perm: PERM, root: ROOT, gfn: GFN } as const;

export { liveEpoch } from './tlb-epoch.ts';

/**
 * Looks an address up with the permission it needs.
 * @returns the frame, or -1
 */
export function tlbLookup(vcpu: Vcpu, root: number, l2Gfn: number, need: number): number {
  const { kvm } = vcpu;
  const { w, tableBits } = kvm;
  const epoch = liveEpoch(kvm, vcpu.index);
  for (let level = 1; level <= 3; level++) {
    const shift = (level - 1) * tableBits;
    const at = entryWord(kvm, vcpu.index, l2Gfn, level);
    if (w[at + TAG] === l2Gfn >>> shift && w[at + EPOCH] === epoch && w[at + ROOT] === root) {
      if ((w[at + PERM]! & need) === need) return w[at + PFN]! + (l2Gfn & ((1 << shift) - 1));
    }
  }
  return -1;
}

/** Caches a translation after a walk; `l1Gfn` is the first gfn of L1 behind it, where the flush backend goes by that. */
export function tlbFill(
  vcpu: Vcpu,
  root: number,
  l2Gfn: number,
  level: number,
  pfn: number,
  perm: number,
  l1Gfn = 0,
): void {
  const { kvm } = vcpu;
  const at = entryWord(kvm, vcpu.index, l2Gfn, level);
  const { arena } = kvm;
  arena.touchRange(at, TLB_ENTRY_WORDS);
  const { w } = kvm;
  w[at + TAG] = l2Gfn >>> ((level - 1) * kvm.tableBits);
  w[at + EPOCH] = liveEpoch(kvm, vcpu.index);
  w[at + PFN] = pfn;
  w[at + PERM] = perm;
  w[at + ROOT] = root;
  w[at + GFN] = l1Gfn;
  kvm.observer.tlbFilled(vcpu.cpu, vcpu.index, at);
}

/** Drops what the vCPU has cached for one page: after a permission fault the walk starts afresh. */
export function tlbDropPage(vcpu: Vcpu, root: number, l2Gfn: number): void {
  const { kvm } = vcpu;
  for (let level = 1; level <= 3; level++) {
    const at = entryWord(kvm, vcpu.index, l2Gfn, level);
    if (kvm.w[at + TAG] === l2Gfn >>> ((level - 1) * kvm.tableBits) && kvm.w[at + ROOT] === root) {
      kvm.arena.put(at + EPOCH, 0);
    }
  }
  pscDropAddress(vcpu, root, l2Gfn);
}

/** The vCPU flushes what it has of one root: INVEPT of a single context. */
export function tlbFlushRoot(vcpu: Vcpu, root: number): void {
  const { w } = vcpu.kvm;
  tlbDropWhere(vcpu, (word) => w[word + ROOT] === root);
  pscDropRoot(vcpu, root);
}

/**
 * The vCPU takes shadow page `sp` into use as root `root`. Entries of another page under the same index carry another tag
 * in hardware (the EPTP, EP4TA) and can never be hit again.
 */
export function setRoot(vcpu: Vcpu, root: number, sp: number): void {
  const { kvm } = vcpu;
  const tag = vcpu.word(VCPU.tlbTags + root);
  if (kvm.w[tag] !== sp) {
    tlbFlushRoot(vcpu, root);
    kvm.arena.put(tag, sp);
  }
  kvm.arena.put(vcpu.word(VCPU.roots + root), sp);
}

/** Drops the entries that `which` picks by their word and level. */
export function tlbDropWhere(vcpu: Vcpu, which: (word: number, level: number) => boolean): void {
  const { kvm } = vcpu;
  const epoch = liveEpoch(kvm, vcpu.index);
  for (let level = 1; level <= 3; level++) {
    const base = kvm.tlbBase(vcpu.index) + (level - 1) * kvm.tlbLevelWords;
    for (let at = base; at < base + kvm.tlbLevelWords; at += TLB_ENTRY_WORDS) {
      if (kvm.w[at + EPOCH] === epoch && which(at, level)) kvm.arena.put(at + EPOCH, 0);
    }
  }
}

/** The vCPU flushes everything it has. */
export function tlbFlushAll(vcpu: Vcpu): void {
  const word = vcpu.word(VCPU.tlbEpoch);
  vcpu.kvm.arena.put(word, vcpu.kvm.w[word]! + 1);
  vcpu.cpu.count(C.tlbFlushes);
  vcpu.kvm.observer.tlbFlushed(vcpu.cpu, vcpu.index);
}

/** A live entry as a check sees it. */
export interface TlbEntry {
  readonly vcpu: number;
  readonly root: number;
  /** First L2 gfn it translates. */
  readonly l2Gfn: number;
  readonly level: number;
  /** First frame it translates to. */
  readonly pfn: number;
  /** TLB_ bits. */
  readonly perm: number;
  readonly word: number;
}

/** The live entries of a vCPU, in a fixed order. */
export function tlbEntries(kvm: Kvm, vcpu: number): TlbEntry[] {
  const { w } = kvm;
  const epoch = liveEpoch(kvm, vcpu);
  const entries: TlbEntry[] = [];
  for (let level = 1; level <= 3; level++) {
    const base = kvm.tlbBase(vcpu) + (level - 1) * kvm.tlbLevelWords;
    for (let i = 0; i < 1 << kvm.config.tlbBits; i++) {
      const at = base + i * TLB_ENTRY_WORDS;
      if (w[at + EPOCH] !== epoch) continue;
      entries.push({
        vcpu,
        root: w[at + ROOT]!,
        l2Gfn: w[at + TAG]! << ((level - 1) * kvm.tableBits),
        level,
        pfn: w[at + PFN]!,
        perm: w[at + PERM]!,
        word: at,
      });
    }
  }
  return entries;
}
