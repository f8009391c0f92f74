/** Building and changing SPTE values (kernel-facts 2.6, 2.7, 3.9, 5.2). Values are left in `cpu.lo` and `cpu.hi`. */
import type { Cpu } from '../cpu/cpu.ts';
import {
  ACC_EXEC,
  ACC_TRACK_SAVED_LO,
  ACC_TRACK_SHIFT_HI,
  ACC_USER,
  ACC_WRITE,
  isHostWritable,
  isMmuWritable,
  SPTE_AD_DISABLED_HI,
  SPTE_AD_MASK_HI,
  SPTE_AD_WRPROT_ONLY_HI,
  SPTE_MMU_PRESENT,
  SPTE_PS,
  SPTE_W,
  sptePfn,
  type SpteFormat,
} from './format.ts';
import type { Kvm } from './kvm.ts';

/** Puts a frame number into the address bits. */
export const pfnLo = (pfn: number): number => (pfn << 12) | 0;
export const pfnHi = (pfn: number): number => (pfn >>> 20) & 0xfffff;

/** True if hardware keeps A and D bits in this entry. */
export const adEnabled = (hi: number): boolean => (hi & SPTE_AD_MASK_HI) !== SPTE_AD_DISABLED_HI;

/** spte_ad_need_write_protect(): writes are tracked by W, for lack of D bits or because nobody logs them. */
export const adNeedWriteProtect = (hi: number): boolean => (hi & SPTE_AD_MASK_HI) !== 0;

export interface LeafSpec {
  readonly level: number;
  readonly pfn: number;
  /** ACC_ bits after L1's tables, the role and the slot. */
  readonly access: number;
  readonly hostWritable: boolean;
  readonly prefetch: boolean;
  readonly adDisabled: boolean;
  /** The role of the page is that of a nested table. */
  readonly guestMode: boolean;
  /** The value being replaced in place, 0 if none: its W decides about unsync checks (make_spte). */
  readonly oldLo: number;
  /** The gfn holds a shadowed guest table and must stay read-only. */
  readonly writeProtected: boolean;
}

/**
 * make_spte(). The value is left in `cpu.lo/hi`.
 * @returns true if a permitted write had to be taken away because the gfn holds a shadowed table
 */
export function makeSpte(kvm: Kvm, cpu: Cpu, spec: LeafSpec): boolean {
  const f = kvm.format;
  let access = spec.access;
  let wrprot = false;
  let lo = SPTE_MMU_PRESENT | f.presentLo | f.memtypeLo | pfnLo(spec.pfn);
  let hi = pfnHi(spec.pfn);
  if (spec.adDisabled) hi |= SPTE_AD_DISABLED_HI;
  else {
    if (kvm.engine.pageAdNeedWriteProtect(kvm, spec.guestMode)) hi |= SPTE_AD_WRPROT_ONLY_HI;
    if (!spec.prefetch) lo |= f.accessedLo;
  }
  if (spec.level > 1) lo |= SPTE_PS;
  if (kvm.engine.nxForbidsExec(kvm, spec.level)) access &= ~ACC_EXEC;
  if ((access & ACC_EXEC) !== 0) lo |= f.execLo;
  else hi |= f.nxHi;
  if ((access & ACC_USER) !== 0) lo |= f.userLo;
  if (spec.hostWritable) {
    lo |= f.hostWritableLo;
    hi |= f.hostWritableHi;
  } else access &= ~ACC_WRITE;
  if ((access & ACC_WRITE) !== 0) {
    if ((spec.oldLo & SPTE_W) === 0 && spec.writeProtected) {
      wrprot = true;
    } else {
      lo |= SPTE_W | f.mmuWritableLo;
      hi |= f.mmuWritableHi;
      if (!spec.adDisabled && kvm.engine.leafIsBornDirty(kvm)) lo |= f.dirtyLo;
    }
  }
  cpu.lo = lo;
  cpu.hi = hi;
  if (spec.prefetch && spec.adDisabled) markForAccessTrack(kvm, cpu);
  return wrprot;
}

/** mark_spte_for_access_track() for entries without A bits: saves R and X, clears all permissions. */
export function markForAccessTrack(kvm: Kvm, cpu: Cpu): void {
  if (kvm.format.name !== 'ept') return;
  cpu.hi |= (cpu.lo & ACC_TRACK_SAVED_LO) << ACC_TRACK_SHIFT_HI;
  cpu.lo &= ~(ACC_TRACK_SAVED_LO | SPTE_W);
}

/** make_spte_nonexec(): X goes from the value in `cpu.lo/hi`, the saved one of an access-tracked entry too. */
export function makeSpteNonexec(kvm: Kvm, cpu: Cpu): void {
  const f = kvm.format;
  cpu.lo &= ~f.execLo;
  cpu.hi = (cpu.hi & ~(f.execLo << ACC_TRACK_SHIFT_HI)) | f.nxHi;
}

/** is_access_track_spte(): marked by clearing every permission, for lack of an A bit. */
export const isAccessTrackSpte = (lo: number, hi: number): boolean => !adEnabled(hi) && (lo & 7) === 0;

/** restore_acc_track_spte(): gives R and X back to the marked value in `cpu.lo/hi`. W is the caller's to add. */
export function restoreAccessTrack(cpu: Cpu): void {
  const saved = (cpu.hi >>> ACC_TRACK_SHIFT_HI) & ACC_TRACK_SAVED_LO;
  cpu.hi &= ~(ACC_TRACK_SAVED_LO << ACC_TRACK_SHIFT_HI);
  cpu.lo = (cpu.lo & ~(ACC_TRACK_SAVED_LO | SPTE_W)) | saved;
}

/** make_nonleaf_spte(): the value of an entry that points to `table`. */
export function makeNonleafSpte(kvm: Kvm, cpu: Cpu, table: number, adDisabled: boolean): void {
  const f = kvm.format;
  const pfn = kvm.tablePfnBase + table;
  cpu.lo = SPTE_MMU_PRESENT | f.presentLo | SPTE_W | f.userLo | f.execLo | pfnLo(pfn);
  cpu.hi = pfnHi(pfn);
  if (adDisabled) cpu.hi |= SPTE_AD_DISABLED_HI;
  else cpu.lo |= f.accessedLo;
}

/** The table a non-leaf value points to, and the shadow page that owns it (0 if that table is free). */
export const spteTable = (kvm: Kvm, lo: number, hi: number): number => sptePfn(lo, hi) - kvm.tablePfnBase;
export const spteChildSp = (kvm: Kvm, lo: number, hi: number): number =>
  kvm.w[kvm.tableOwner + spteTable(kvm, lo, hi)]!;

/**
 * make_huge_page_split_spte() (kernel-facts 3.9): entry 0 of the child; entry i adds i pages of the child's level.
 * The value is left in `cpu.lo/hi`.
 */
export function makeHugePageSplitSpte(
  kvm: Kvm,
  cpu: Cpu,
  hugeLo: number,
  hugeHi: number,
  childLevel: number,
  childAccess: number,
): void {
  const f = kvm.format;
  let lo = hugeLo;
  let hi = hugeHi;
  if (childLevel === 1) {
    lo &= ~SPTE_PS;
    if ((childAccess & ACC_EXEC) !== 0 && kvm.config.nxHugePages) {
      // The mitigation took X away from the huge page only; a 4 KiB page may have it.
      if (!adEnabled(hi) && f.name === 'ept' && (lo & 7) === 0) hi |= f.execLo << ACC_TRACK_SHIFT_HI;
      else {
        lo |= f.execLo;
        hi &= ~f.nxHi;
      }
    }
  }
  cpu.lo = lo;
  cpu.hi = hi;
}

/** spte_can_locklessly_be_made_writable() without its WARNs: host- and MMU-writable. */
export function canBeMadeWritable(f: SpteFormat, lo: number, hi: number): boolean {
  return isHostWritable(f, lo, hi) && isMmuWritable(f, lo, hi);
}
