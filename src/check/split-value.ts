/** What entry 0 of a split child must be (kernel-facts 3.9), in the checks' own words. */
import {
  ACC_TRACK_SAVED_LO,
  ACC_TRACK_SHIFT_HI,
  SPTE_AD_DISABLED_HI,
  SPTE_AD_MASK_HI,
  SPTE_PS,
  type SpteFormat,
} from '../mmu/format.ts';

/** Bits 0 to 2 of an EPT entry. */
const EPT_RWX = 7;

/**
 * What becomes of a value that is aged (kernel-facts 2.6): it loses A, or where there is none all permissions, R and X being
 * saved. Kernels that age without mmu_lock may do so between the filling and the link (6.15).
 */
export function agedValue(f: SpteFormat, lo: number, hi: number): { lo: number; hi: number } {
  if ((hi & SPTE_AD_MASK_HI) !== SPTE_AD_DISABLED_HI) return { lo: lo & ~f.accessedLo, hi };
  return { lo: lo & ~EPT_RWX, hi: hi | ((lo & ACC_TRACK_SAVED_LO) << ACC_TRACK_SHIFT_HI) };
}

/** @param mayExec the mitigation has taken X from the huge page, and a 4K page may have it */
export function splitChildValue(
  f: SpteFormat,
  hugeLo: number,
  hugeHi: number,
  level: number,
  mayExec: boolean,
): { lo: number; hi: number } {
  let lo = level === 1 ? hugeLo & ~SPTE_PS : hugeLo;
  let hi = hugeHi;
  if (mayExec) {
    const tracked =
      f.name === 'ept' && (hugeLo & 7) === 0 && (hugeHi & SPTE_AD_MASK_HI) === SPTE_AD_DISABLED_HI;
    if (tracked) hi |= f.execLo << ACC_TRACK_SHIFT_HI;
    else {
      lo |= f.execLo;
      hi &= ~f.nxHi;
    }
  }
  return { lo, hi };
}
