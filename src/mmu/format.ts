/** The two SPTE formats (kernel-facts 2.6). Masks are 32-bit halves: `Lo` bits 0..31, `Hi` bits 32..63. */
import type { SpteFormatName } from './config.ts';

export const ACC_EXEC = 1;
export const ACC_WRITE = 2;
export const ACC_USER = 4;
export const ACC_ALL = 7;

/** Bits both formats share. */
export const SPTE_W = 0x2;
export const SPTE_PS = 0x80;
export const SPTE_MMU_PRESENT = 0x800;
const BIT63_HI = -0x80000000;
/** SPTE_TDP_AD_DISABLED, bit 52. */
export const SPTE_AD_DISABLED_HI = 1 << 20;
/** SPTE_TDP_AD_WRPROT_ONLY: D bits exist, but writes are tracked by W. */
export const SPTE_AD_WRPROT_ONLY_HI = 2 << 20;
/** Bits 52..53 together. */
export const SPTE_AD_MASK_HI = 3 << 20;

/**
 * REMOVED_SPTE, FROZEN_SPTE since 6.12: an entry of the TDP MMU that somebody is taking away; nobody else may install
 * anything until he has stored 0 (kernel-facts 2.6, 4.5). Not present, for hardware and for readers. The upper half is 0.
 */
export const REMOVED_SPTE_LO = 0x5a0;
/** The same since 6.13: without any A or D bit, which others may clear without looking (lockless aging, 6.15). */
export const FROZEN_SPTE_LO = 0x498;

export interface SpteFormat {
  readonly name: SpteFormatName;
  /** Set in every present leaf: P (NPT) or nothing (EPT, where USER is the read bit). */
  readonly presentLo: number;
  readonly userLo: number;
  readonly execLo: number;
  readonly nxHi: number;
  readonly accessedLo: number;
  readonly dirtyLo: number;
  readonly hostWritableLo: number;
  readonly hostWritableHi: number;
  readonly mmuWritableLo: number;
  readonly mmuWritableHi: number;
  /** Memory type write-back, where the format has one. */
  readonly memtypeLo: number;
  /** Low bits that may be set in a present leaf; anything else below bit 12 is reserved. */
  readonly leafLo: number;
  readonly leafHi: number;
}

const EPT: SpteFormat = {
  name: 'ept',
  presentLo: 0,
  userLo: 0x1,
  execLo: 0x4,
  nxHi: 0,
  accessedLo: 0x100,
  dirtyLo: 0x200,
  hostWritableLo: 0,
  hostWritableHi: 1 << 25,
  mmuWritableLo: 0,
  mmuWritableHi: 1 << 26,
  memtypeLo: 6 << 3,
  leafLo: 0x7 | 0x38 | 0x40 | SPTE_PS | 0x300 | SPTE_MMU_PRESENT,
  leafHi: SPTE_AD_MASK_HI | (1 << 22) | (1 << 24) | (1 << 25) | (1 << 26) | BIT63_HI,
};

const NPT: SpteFormat = {
  name: 'npt',
  presentLo: 0x1,
  userLo: 0x4,
  execLo: 0,
  nxHi: BIT63_HI,
  accessedLo: 0x20,
  dirtyLo: 0x40,
  hostWritableLo: 0x200,
  hostWritableHi: 0,
  mmuWritableLo: 0x400,
  mmuWritableHi: 0,
  memtypeLo: 0,
  leafLo: 0x7 | 0x60 | SPTE_PS | 0x600 | SPTE_MMU_PRESENT,
  leafHi: SPTE_AD_MASK_HI | BIT63_HI,
};

export const FORMATS: Record<SpteFormatName, SpteFormat> = { ept: EPT, npt: NPT };

/** Access-tracking saves R and X of an EPT entry 54 bits up: bits 54 and 56 (kernel-facts 2.6). */
export const ACC_TRACK_SHIFT_HI = 22;
export const ACC_TRACK_SAVED_LO = 0x5;

export const isShadowPresent = (lo: number): boolean => (lo & SPTE_MMU_PRESENT) !== 0;
/** is_removed_spte(), is_frozen_spte(): the value of either version, as no other entry looks like them. */
export const isRemovedSpte = (lo: number, hi: number): boolean =>
  (lo === REMOVED_SPTE_LO || lo === FROZEN_SPTE_LO) && hi === 0;
export const isLarge = (lo: number): boolean => (lo & SPTE_PS) !== 0;
export const isWritable = (lo: number): boolean => (lo & SPTE_W) !== 0;
export const sptePfn = (lo: number, hi: number): number => (hi & 0xfffff) * 0x100000 + (lo >>> 12);

/** True if `lo`/`hi` is a present leaf at `level`. */
export function isLastSpte(lo: number, level: number): boolean {
  return isShadowPresent(lo) && (level === 1 || isLarge(lo));
}

export function isMmuWritable(format: SpteFormat, lo: number, hi: number): boolean {
  return ((lo & format.mmuWritableLo) | (hi & format.mmuWritableHi)) !== 0;
}

export function isHostWritable(format: SpteFormat, lo: number, hi: number): boolean {
  return ((lo & format.hostWritableLo) | (hi & format.hostWritableHi)) !== 0;
}

/** The hardware's view: may the entry be read, fetched from? (W is `isWritable`.) */
export function isReadable(format: SpteFormat, lo: number): boolean {
  return format.name === 'ept' ? (lo & 1) !== 0 : (lo & 1) !== 0 && (lo & format.userLo) !== 0;
}

export function isExecutable(format: SpteFormat, lo: number, hi: number): boolean {
  return format.name === 'ept' ? (lo & format.execLo) !== 0 : (hi & format.nxHi) === 0 && (lo & 1) !== 0;
}

/** Executable now, or again once access tracking is undone. */
export function isExecutableSaved(format: SpteFormat, lo: number, hi: number): boolean {
  if (isExecutable(format, lo, hi)) return true;
  return format.name === 'ept' && (hi & (format.execLo << ACC_TRACK_SHIFT_HI)) !== 0;
}
