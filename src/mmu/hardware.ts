/**
 * What the processor does for an L2 access: TLB, walk of EPT02 with A and D bits, the store (kernel-facts 1.5, A4).
 *
 * One access is a sequence of visible loads of entries, an atomic update of the leaf when A or D must be set, and the
 * access to the page's word. Everything is done in guest mode.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { ACC_EXEC, ACC_WRITE, isExecutable, isLarge, isReadable, isWritable, sptePfn } from './format.ts';
import { KernelBug } from './bug.ts';
import type { Kvm } from './kvm.ts';
import { pmlAppend, pmlFull } from './log/pml.ts';
import { isMmioSpte } from './mmio-spte.ts';
import { roleAdDisabled, roleLevel } from './role.ts';
import { pscDropAddress, pscFill, pscLookup } from './psc.ts';
import { pageGetGfn, spLastingRole, spTable, spteIndex, sptepToSp } from './shadow-page.ts';
import { adEnabled } from './spte.ts';
import { tlbDropPage, tlbFill, tlbLookup, TLB_DIRTY, TLB_R, TLB_W, TLB_X } from './tlb.ts';
import type { Vcpu } from './vcpu.ts';
import { ROOT_L1 } from './vcpu-words.ts';
import { walkIndex } from './shadow/walk-addr.ts';

/** TLB permission bits an access with these ACC_ bits needs. */
export function tlbNeed(access: number): number {
  if ((access & ACC_WRITE) !== 0) return TLB_R | TLB_W | TLB_DIRTY;
  if ((access & ACC_EXEC) !== 0) return TLB_X;
  return TLB_R;
}

/** Result of a walk: the frame, or one of these. */
export const WALK_NOT_PRESENT = -1;
export const WALK_FORBIDDEN = -2;
/** The PML buffer is full and an A or D bit would have to be set: the vCPU exits first, and tries again. */
export const WALK_PML_FULL = -3;
/** An MMIO SPTE: an EPT misconfiguration, or a fault for a reserved bit of NPT (kernel-facts 2.6). */
export const WALK_MMIO = -4;

/** Hardware's permissions of one entry as TLB_ bits, without D. */
export function hardwarePerm(kvm: Kvm, lo: number, hi: number): number {
  const f = kvm.format;
  return (
    (isReadable(f, lo) ? TLB_R : 0) |
    (isWritable(lo) && isReadable(f, lo) ? TLB_W : 0) |
    (isExecutable(f, lo, hi) ? TLB_X : 0)
  );
}

/** True if hardware takes the entry for present. */
export const hardwarePresent = (kvm: Kvm, lo: number): boolean =>
  (kvm.format.name === 'ept' ? lo & 7 : lo & 1) !== 0;

/** D8: the processor reads a page table that was given back. */
function reportFreedTable(kvm: Kvm, cpu: Cpu, table: number, l2Gfn: number): void {
  kvm.observer.broken(cpu, {
    id: 'D8',
    text: `${cpu.name} walks L2 gfn ${l2Gfn} through table ${table}, which was freed`,
    words: [kvm.tableOwner + table],
  });
}

/** The first gfn of L1 that the leaf `sptep` maps, where the flush backend goes by it. The page outlives the walk. */
function l1GfnBehind(kvm: Kvm, root: number, sptep: number): number {
  if (kvm.config.flushBackend !== 'range-l2' || root === ROOT_L1) return 0;
  return pageGetGfn(kvm, sptepToSp(kvm, sptep), spteIndex(kvm, sptep));
}

/**
 * Translates, filling the TLB. Returns the frame, or WALK_NOT_PRESENT or WALK_FORBIDDEN: an EPT violation, or
 * WALK_PML_FULL, which is an exit without a fault, or WALK_MMIO.
 */
export function* translate(vcpu: Vcpu, l2Gfn: number, access: number): Steps<number> {
  const { kvm, cpu } = vcpu;
  const root = vcpu.rootIndex;
  const need = tlbNeed(access);
  const cached = tlbLookup(vcpu, root, l2Gfn, need);
  if (cached >= 0) return cached;
  cpu.count(C.tlbMisses);
  const f = kvm.format;
  const rootSp = vcpu.rootSp;
  const adOff = roleAdDisabled(spLastingRole(kvm, rootSp));
  const psc = kvm.config.pscEntries > 0;
  walk: for (;;) {
    let level = roleLevel(spLastingRole(kvm, rootSp));
    let table = spTable(kvm, rootSp);
    let perm = TLB_R | TLB_W | TLB_X;
    if (psc && pscLookup(vcpu, root, l2Gfn, vcpu.pscHit)) ({ level, table, perm } = vcpu.pscHit);
    for (; ; level--) {
      const sptep = kvm.tablesQ + (table << kvm.tableBits) + walkIndex(kvm, l2Gfn, level);
      if (cpu.stepped && cpu.stops(Op.Load64, sptep * 2)) yield;
      cpu.load64(sptep);
      const { lo, hi } = cpu;
      if (kvm.w[kvm.tableOwner + table] === 0) reportFreedTable(kvm, cpu, table, l2Gfn);
      if (!hardwarePresent(kvm, lo)) {
        if (psc) pscDropAddress(vcpu, root, l2Gfn);
        return WALK_NOT_PRESENT;
      }
      if (isMmioSpte(f, lo, hi)) return WALK_MMIO;
      perm &= hardwarePerm(kvm, lo, hi);
      if (level > 1 && !isLarge(lo)) {
        table = sptePfn(lo, hi) - kvm.tablePfnBase;
        if (table <= 0 || table > kvm.layout.dims.tables) {
          throw new KernelBug('Q6', `a walk of L2 gfn ${l2Gfn} left the page tables at level ${level}`, [
            sptep * 2,
          ]);
        }
        if (psc) pscFill(vcpu, root, l2Gfn, level, table, perm);
        continue;
      }
      const wanted = need & ~TLB_DIRTY;
      if ((perm & wanted) !== wanted) {
        tlbDropPage(vcpu, root, l2Gfn);
        return WALK_FORBIDDEN;
      }
      let dirty = (lo & f.dirtyLo) !== 0 || adOff;
      if (!adOff && adEnabled(hi)) {
        const set = lo | f.accessedLo | ((access & ACC_WRITE) !== 0 ? f.dirtyLo : 0);
        if (set !== lo) {
          const logs = kvm.config.pmlEntries > 0 && kvm.engine.pmlLogs(kvm.config, root);
          if (logs && pmlFull(vcpu)) {
            cpu.count(C.pmlFull);
            return WALK_PML_FULL;
          }
          if (cpu.stepped && cpu.stops(Op.CompareExchange64, sptep * 2)) yield;
          if (!cpu.compareExchange64(sptep, lo, hi, set, hi)) continue walk;
          dirty = (set & f.dirtyLo) !== 0;
          if (logs && (set & ~lo & f.dirtyLo) !== 0)
            pmlAppend(vcpu, kvm.engine.pmlAddress(kvm, sptep, l2Gfn));
        }
      } else dirty = true;
      const pages = kvm.pages(level);
      const pfn = sptePfn(lo, hi);
      kvm.observer.walked(cpu, vcpu.index, table);
      tlbFill(vcpu, root, l2Gfn, level, pfn, perm | (dirty ? TLB_DIRTY : 0), l1GfnBehind(kvm, root, sptep));
      return pfn + (l2Gfn & (pages - 1));
    }
  }
}
