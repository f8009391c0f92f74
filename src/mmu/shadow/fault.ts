/** The nested page fault (kernel-facts 5.2, 6.1.192). */
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM_MIN_FREE_MMU_PAGES, KVM_REFILL_PAGES } from '../config.ts';
import {
  RET_PF_EMULATE,
  RET_PF_FIXED,
  RET_PF_INJECT,
  RET_PF_RETRY,
  RET_PF_SPURIOUS,
  ENOSPC,
} from '../errno.ts';
import { ACC_EXEC, ACC_WRITE, isLarge, isShadowPresent } from '../format.ts';
import { KVM } from '../kvm.ts';
import { KVM_MEM_LOG_DIRTY_PAGES } from '../memslot.ts';
import { cacheTopup } from '../memory-cache.ts';
import { SP_NX_DISALLOWED, SP, spFlags, spPut, spRole, sptepOf } from '../shadow-page.ts';
import { roleInvalid } from '../role.ts';
import { spteTable } from '../spte.ts';
import { srcuReadLock, srcuReadUnlock, type Vcpu } from '../vcpu.ts';
import { emulateWrite } from '../dirty-log.ts';
import { getChildSp, linkShadowPage, validateDirectSpte } from './get-page.ts';
import { prefetch } from './prefetch.ts';
import { setSpte, type Fault } from './set-spte.ts';
import { mmuAvailablePages } from './split.ts';
import { walkAddr, walkIndex } from './walk-addr.ts';
import { zapOldest } from './zap.ts';

/** Minima of the per-vCPU caches (kernel-facts 2.3). */
const DESC_CACHE_MIN = 14;
const PAGE_CACHE_MIN = 5;

/**
 * kvm_mmu_page_fault() for an L2 access that the shadow tables refused.
 * @param access ACC_ bits of the access
 * @param present the hardware found a present entry that forbade it
 * @returns RET_PF_
 */
export function* pageFault(vcpu: Vcpu, l2Gfn: number, access: number, present: boolean): Steps<number> {
  const { kvm, cpu } = vcpu;
  cpu.count(C.faults);
  yield* srcuReadLock(vcpu);
  const result = yield* pageFaultSrcu(vcpu, l2Gfn, access, present);
  yield* srcuReadUnlock(vcpu);
  switch (result) {
    case RET_PF_FIXED:
      cpu.count(C.faultsFixed);
      break;
    case RET_PF_SPURIOUS:
      cpu.count(C.faultsSpurious);
      break;
    case RET_PF_RETRY:
      cpu.count(C.faultsRetried);
      break;
    case RET_PF_EMULATE:
      cpu.count(C.faultsEmulated);
      break;
    case RET_PF_INJECT:
      cpu.count(C.faultsInjected);
      break;
  }
  if (result !== RET_PF_RETRY) kvm.observer.progress(cpu);
  return result;
}

function* pageFaultSrcu(vcpu: Vcpu, l2Gfn: number, access: number, present: boolean): Steps<number> {
  const { kvm, cpu, walker: gw } = vcpu;
  if (!(yield* walkAddr(vcpu, l2Gfn, access))) return RET_PF_INJECT;
  const write = (access & ACC_WRITE) !== 0;
  const slot = kvm.slotOf(gw.gfn);
  if (slot === undefined) throw new Error(`L1 maps gfn ${gw.gfn}, which is in no memslot`);
  // The memslot as this fault sees it; SRCU keeps it valid until the fault ends.
  if (cpu.stepped) yield cpu.at(Op.Load, slot.flagsWord);
  const logged = (cpu.load(slot.flagsWord) & KVM_MEM_LOG_DIRTY_PAGES) !== 0;

  if (present && write && kvm.w[slot.writeTrackWord(gw.gfn)]! > 0) {
    yield* emulateWrite(vcpu, slot, gw.gfn);
    return RET_PF_EMULATE;
  }
  topupVcpuCaches(vcpu);
  const seqWord = kvm.base + KVM.invalidateSeq;
  if (cpu.stepped) yield cpu.at(Op.Load, seqWord);
  const seq = cpu.load(seqWord);
  const fault: Fault = {
    l2Gfn,
    access,
    write,
    exec: (access & ACC_EXEC) !== 0,
    slot,
    logged,
    gfn: gw.gfn,
    maxLevel: gw.level,
    reqLevel: 1,
    goalLevel: 1,
    hugePageDisallowed: false,
    seq,
    pfn: slot.pfn(gw.gfn),
    hostWritable: slot.hostWritable(gw.gfn),
  };

  yield* kvm.writeLock(cpu);
  let result = yield* kvm.engine.makeMmuPagesAvailable(vcpu);
  // 6.1.192 reclaims before it looks whether the root is still good (B-44).
  if (result === 0) result = isPageFaultStale(vcpu, fault) ? RET_PF_RETRY : yield* fetch(vcpu, fault);
  else result = RET_PF_RETRY;
  yield* kvm.writeUnlock(cpu);
  kvm.observer.fault(cpu, fault.gfn, fault.goalLevel, result);
  if (result === RET_PF_EMULATE) yield* emulateWrite(vcpu, slot, fault.gfn);
  return result;
}

/** mmu_topup_memory_caches(). */
function topupVcpuCaches(vcpu: Vcpu): void {
  const { kvm, caches } = vcpu;
  const { objects } = kvm.layout.dims.caches;
  cacheTopup(kvm, caches.desc, kvm.descPool, DESC_CACHE_MIN, objects, false);
  cacheTopup(kvm, caches.header, kvm.headerPool, PAGE_CACHE_MIN, objects, false);
  cacheTopup(kvm, caches.table, kvm.tablePool, PAGE_CACHE_MIN, objects, false);
  cacheTopup(kvm, caches.shadowInfo, kvm.shadowInfoPool, PAGE_CACHE_MIN, objects, false);
}

/** is_page_fault_stale() (D17). */
function isPageFaultStale(vcpu: Vcpu, fault: Fault): boolean {
  const { kvm, rootSp } = vcpu;
  if (rootSp === 0 || roleInvalid(spRole(kvm, rootSp))) return true;
  return kvm.get(KVM.invalidateSeq) !== fault.seq || kvm.get(KVM.invalidateInProgress) !== 0;
}

/** make_mmu_pages_available(): reclaims when fewer than KVM_MIN_FREE_MMU_PAGES are left (A21). */
export function* makeMmuPagesAvailable(vcpu: Vcpu): Steps<number> {
  const { kvm, cpu } = vcpu;
  const available = mmuAvailablePages(kvm);
  if (available >= KVM_MIN_FREE_MMU_PAGES) return 0;
  yield* zapOldest(kvm, cpu, KVM_REFILL_PAGES - available);
  return mmuAvailablePages(kvm) > 0 ? 0 : ENOSPC;
}

/** kvm_mmu_hugepage_adjust() (5.2 step 6). */
function hugepageAdjust(vcpu: Vcpu, fault: Fault): void {
  const { kvm } = vcpu;
  fault.hugePageDisallowed = fault.exec && kvm.config.nxHugePages;
  if (fault.maxLevel === 1 || fault.logged) return;
  fault.reqLevel = fault.slot.maxMappingLevel(fault.gfn, fault.maxLevel);
  if (fault.reqLevel === 1 || fault.hugePageDisallowed) return;
  fault.goalLevel = fault.reqLevel;
}

/** disallowed_hugepage_adjust(): with NX on, a table at the goal level means one level lower. */
function disallowedHugepageAdjust(vcpu: Vcpu, fault: Fault, sptep: number, level: number): void {
  const lo = vcpu.kvm.w[sptep * 2]!;
  if (level > 1 && level === fault.goalLevel && isShadowPresent(lo) && !isLarge(lo)) fault.goalLevel--;
}

/** FNAME(fetch) (5.2 steps 5 to 9). */
function* fetch(vcpu: Vcpu, fault: Fault): Steps<number> {
  const { kvm, cpu, walker: gw } = vcpu;
  const directAccess = gw.pteAccess;
  let level = kvm.config.rootLevel;
  let sptep = sptepOf(kvm, vcpu.rootSp, walkIndex(kvm, fault.l2Gfn, level));
  if (yield* gpteChanged(vcpu, level)) return RET_PF_RETRY;

  for (; level > gw.level; level--) {
    const sp = yield* getChildSp(vcpu, sptep, gw.tableGfn[level - 1]!, false, gw.ptAccess[level - 1]!);
    if (yield* gpteChanged(vcpu, level - 1)) return RET_PF_RETRY;
    if (sp !== 0) yield* linkShadowPage(vcpu, sptep, sp);
    sptep = childSptep(vcpu, sptep, fault.l2Gfn, level);
  }

  hugepageAdjust(vcpu, fault);
  for (; ; level--) {
    if (kvm.config.nxHugePages) disallowedHugepageAdjust(vcpu, fault, sptep, level);
    if (level === fault.goalLevel) break;
    yield* validateDirectSpte(vcpu, sptep, directAccess);
    const baseGfn = fault.gfn & ~(kvm.pages(level) - 1);
    const sp = yield* getChildSp(vcpu, sptep, baseGfn, true, directAccess);
    if (sp !== 0) {
      yield* linkShadowPage(vcpu, sptep, sp);
      if (fault.hugePageDisallowed && fault.reqLevel >= level) {
        spPut(kvm, sp, SP.flags, spFlags(kvm, sp) | SP_NX_DISALLOWED);
        cpu.count(C.nxSplits);
      }
    }
    sptep = childSptep(vcpu, sptep, fault.l2Gfn, level);
  }

  const result = yield* setSpte(vcpu, fault, sptep, directAccess, fault.gfn & ~(kvm.pages(level) - 1), false);
  if (result === RET_PF_SPURIOUS) return result;
  yield* prefetch(vcpu, fault, sptep);
  return result;
}

/** FNAME(gpte_changed): has L1 edited the entry of `level` since it was walked? */
function* gpteChanged(vcpu: Vcpu, level: number): Steps<boolean> {
  const { cpu, walker: gw } = vcpu;
  const q = gw.pteQ[level]!;
  if (cpu.stepped) yield cpu.at(Op.Load64, q * 2);
  cpu.load64(q);
  return cpu.lo !== gw.pteLo[level] || cpu.hi !== gw.pteHi[level];
}

/** The entry one level down, below the table that `sptep` points to. */
function childSptep(vcpu: Vcpu, sptep: number, l2Gfn: number, level: number): number {
  const { kvm } = vcpu;
  const table = spteTable(kvm, kvm.w[sptep * 2]!, kvm.w[sptep * 2 + 1]!);
  return kvm.tablesQ + (table << kvm.tableBits) + walkIndex(kvm, l2Gfn, level - 1);
}
