/** FNAME(walk_addr): the walk of L1's nested table in guest memory (kernel-facts 5.2 step 1). */
import { Op, type Steps } from '../../cpu/steps.ts';
import {
  ACC_ALL,
  ACC_EXEC,
  ACC_USER,
  ACC_WRITE,
  SPTE_PS,
  SPTE_W,
  sptePfn,
  type SpteFormat,
} from '../format.ts';
import type { Kvm } from '../kvm.ts';
import type { Vcpu } from '../vcpu.ts';

/** What an access needs, as ACC_ bits. */
export const ACCESS_READ = ACC_USER;
export const ACCESS_WRITE = ACC_USER | ACC_WRITE;
export const ACCESS_EXEC = ACC_USER | ACC_EXEC;

/** FNAME(is_present_gpte). */
export const isPresentGpte = (f: SpteFormat, lo: number): boolean =>
  (f.name === 'ept' ? lo & 7 : lo & 1) !== 0;

/** FNAME(gpte_access): ACC_ bits of one of L1's entries. */
export function gpteAccess(f: SpteFormat, lo: number, hi: number): number {
  const write = (lo & SPTE_W) !== 0 ? ACC_WRITE : 0;
  if (f.name === 'ept') return write | ((lo & 4) !== 0 ? ACC_EXEC : 0) | ((lo & 1) !== 0 ? ACC_USER : 0);
  return write | ((hi & f.nxHi) === 0 ? ACC_EXEC : 0) | ((lo & f.userLo) !== 0 ? ACC_USER : 0);
}

/** True if the entry ends the walk at `level`. */
export const isLastGpte = (lo: number, level: number): boolean => level === 1 || (lo & SPTE_PS) !== 0;

/** FNAME(protect_clean_gpte): a clean entry is mapped read-only so that the first write is seen. */
export function protectCleanGpte(kvm: Kvm, access: number, lo: number): number {
  if (!kvm.config.l1AdBits) return access;
  return (lo & kvm.format.dirtyLo) !== 0 ? access : access & ~ACC_WRITE;
}

/** 8-byte index of entry `index` of L1's table at `tableGfn`; throws if that page holds no table. */
export function gpteQ(kvm: Kvm, tableGfn: number, index: number): number {
  const table = tableGfn - kvm.config.tableGfn;
  if (table < 0 || table >= kvm.config.tablePages)
    throw new Error(`gfn ${tableGfn} holds none of L1's tables`);
  return kvm.guestTablesQ + (table << kvm.tableBits) + index;
}

/** Index of `l2Gfn` in a table of `level`. */
export function walkIndex(kvm: Kvm, l2Gfn: number, level: number): number {
  const shift = (level - 1) * kvm.tableBits;
  // A gfn has 32 bits, and a shift count is taken modulo 32: the top table of five levels is used at entry 0 only.
  return shift > 31 ? 0 : (l2Gfn >>> shift) & (kvm.entries - 1);
}

/**
 * Walks L1's table for `l2Gfn` and leaves the result in the vCPU's walker. Sets A in every entry used and D in the
 * leaf on a write, as hardware would.
 * @returns false if L1's tables forbid the access: the violation is L1's
 */
export function* walkAddr(vcpu: Vcpu, l2Gfn: number, access: number): Steps<boolean> {
  const { kvm, cpu, walker: gw } = vcpu;
  const f = kvm.format;
  const write = (access & ACC_WRITE) !== 0;
  kvm.observer.guestWalk(cpu, l2Gfn, access);
  retry: for (;;) {
    let tableGfn = kvm.config.tableGfn + kvm.l1RootTable(vcpu.rootIndex);
    let pteAccess = ACC_ALL;
    let level = (gw.rootLevel = kvm.l1RootLevel(vcpu.rootIndex));
    let lo = 0;
    let hi = 0;
    for (; ; level--) {
      const q = gpteQ(kvm, tableGfn, walkIndex(kvm, l2Gfn, level));
      gw.tableGfn[level] = tableGfn;
      gw.pteQ[level] = q;
      gw.ptAccess[level] = pteAccess;
      if (cpu.stepped && cpu.stops(Op.Load64, q * 2)) yield;
      cpu.load64(q);
      ({ lo, hi } = cpu);
      if (!isPresentGpte(f, lo)) return false;
      kvm.observer.guestWalkEntry(cpu, lo, hi, level);
      gw.pteLo[level] = lo;
      gw.pteHi[level] = hi;
      pteAccess &= gpteAccess(f, lo, hi);
      if (isLastGpte(lo, level)) break;
      tableGfn = sptePfn(lo, hi);
    }
    if ((pteAccess & access) !== access) return false;

    if (kvm.config.l1AdBits) {
      for (let at = gw.rootLevel; at >= level; at--) {
        const old = gw.pteLo[at]!;
        const wanted = old | f.accessedLo | (at === level && write ? f.dirtyLo : 0);
        if (wanted === old) continue;
        const q = gw.pteQ[at]!;
        if (cpu.stepped && cpu.stops(Op.CompareExchange64, q * 2)) yield;
        if (!cpu.compareExchange64(q, old, gw.pteHi[at]!, wanted, gw.pteHi[at]!)) continue retry;
        gw.pteLo[at] = wanted;
      }
      lo = gw.pteLo[level]!;
    }
    gw.level = level;
    gw.gfn = sptePfn(lo, hi) + (l2Gfn & (kvm.pages(level) - 1));
    gw.pteAccess = write ? pteAccess : protectCleanGpte(kvm, pteAccess, lo);
    return true;
  }
}
