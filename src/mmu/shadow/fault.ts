/** The nested page fault (kernel-facts 5.2, 6.1.192). */
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM_MIN_FREE_MMU_PAGES, KVM_REFILL_PAGES } from '../config.ts';
import {
  RET_PF_EMULATE,
  RET_PF_FIXED,
  RET_PF_INJECT,
  RET_PF_INVALID,
  RET_PF_RETRY,
  RET_PF_SPURIOUS,
  ENOMEM,
  ENOSPC,
} from '../errno.ts';
import { ACC_EXEC, ACC_WRITE, isLarge, isShadowPresent } from '../format.ts';
import { faultinPfn, isInvalidated } from '../host/faultin.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEMSLOT_INVALID, MEMSLOT_GONE } from '../memslot.ts';
import { handleMmioPageFault, setMmioSpte } from '../mmio.ts';
import { accountHugeNxPage } from '../nx-list.ts';
import { heldHi, heldLo } from '../held-spte.ts';
import { topupVcpuCache } from '../memory-cache.ts';
import { sptepOf, sptepToSp } from '../shadow-page.ts';
import { spteChildSp, spteTable } from '../spte.ts';
import { srcuReadLock, srcuReadUnlock, type Vcpu } from '../vcpu.ts';
import { waitForSlot } from '../wait-for-slot.ts';
import { emulateWrite } from '../dirty-log.ts';
import { getChildSp, linkShadowPage } from './get-page.ts';
import { prefetch } from './prefetch.ts';
import { clearSpWriteFloodingCount } from './pte-write.ts';
import { setSpte, type Fault } from './set-spte.ts';
import { mmuAvailablePages } from './split.ts';
import { walkAddr, walkIndex } from './walk-addr.ts';
import { zapOldest } from './zap.ts';
import { isWriteTracked } from '../write-track.ts';

/** Minima of the per-vCPU caches (kernel-facts 2.3). */
const DESC_CACHE_MIN = 14;
const PAGE_CACHE_MIN = 5;

/** The part of a page fault that an MMU has of its own; arguments and result as for pageFault. */
export type FaultBody = (vcpu: Vcpu, gfn: number, access: number, present: boolean) => Steps<number>;

/**
 * kvm_mmu_page_fault() for an L2 access that the shadow tables refused.
 * @param access ACC_ bits of the access
 * @param present the hardware found a present entry that forbade it
 * @param mmio the hardware found an MMIO SPTE
 * @param inside what is done inside SRCU: by the MMU that the vCPU runs on
 * @returns RET_PF_, or -ENOMEM for user space
 */
export function* pageFault(
  vcpu: Vcpu,
  l2Gfn: number,
  access: number,
  present: boolean,
  mmio = false,
  inside: FaultBody = pageFaultSrcu,
): Steps<number> {
  const { kvm, cpu } = vcpu;
  cpu.count(C.faults);
  kvm.observer.faultTaken(cpu, l2Gfn, access, present);
  yield* srcuReadLock(vcpu);
  let result = mmio ? yield* handleMmioPageFault(vcpu, l2Gfn) : RET_PF_INVALID;
  if (result === RET_PF_INVALID) result = yield* inside(vcpu, l2Gfn, access, present);
  yield* srcuReadUnlock(vcpu);
  if (vcpu.invalidSlot !== undefined) yield* waitForSlot(vcpu, vcpu.invalidSlot);
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
  if (result !== RET_PF_RETRY && result !== ENOMEM) kvm.observer.progress(cpu);
  return result;
}

function* pageFaultSrcu(vcpu: Vcpu, l2Gfn: number, access: number, present: boolean): Steps<number> {
  const { kvm, cpu, walker: gw } = vcpu;
  if (!(yield* walkAddr(vcpu, l2Gfn, access))) return RET_PF_INJECT;
  const write = (access & ACC_WRITE) !== 0;
  const slot = kvm.slotOf(gw.gfn);
  if (slot === undefined) return yield* mmioFault(vcpu, l2Gfn, access);
  // The memslot as this fault sees it; SRCU keeps it valid until the fault ends.
  if (cpu.stepped && cpu.stops(Op.Load, slot.flagsWord)) yield;
  const flags = cpu.load(slot.flagsWord);
  if ((flags & MEMSLOT_GONE) !== 0) return yield* mmioFault(vcpu, l2Gfn, access);
  const logged = (flags & KVM_MEM_LOG_DIRTY_PAGES) !== 0;

  if (present && write && (yield* isWriteTracked(kvm, cpu, slot, gw.gfn))) {
    yield* emulateWrite(vcpu, slot, gw.gfn);
    return RET_PF_EMULATE;
  }
  if (!topupVcpuCaches(vcpu)) return ENOMEM;
  if ((flags & KVM_MEMSLOT_INVALID) !== 0) {
    // The slot is going away: the guest tries again until it has gone (A18).
    vcpu.invalidSlot = slot;
    return RET_PF_RETRY;
  }
  // There is nothing behind a write to a slot that may only be read: user space is told (KVM_PFN_ERR_RO_FAULT).
  if (write && slot.config.readonly) return RET_PF_EMULATE;
  const fault: Fault = {
    l2Gfn,
    access,
    write,
    exec: (access & ACC_EXEC) !== 0,
    slot,
    logged,
    gfn: gw.gfn,
    maxLevel: kvm.engine.isSelfChangeMapping(kvm, gw) ? 1 : gw.level,
    reqLevel: 1,
    goalLevel: 1,
    hugePageDisallowed: false,
    noslot: false,
    seq: 0,
    pfn: 0,
    hostWritable: false,
  };
  yield* faultinPfn(vcpu, fault);

  yield* kvm.writeLock(cpu);
  const result = yield* reclaimAndFetch(vcpu, fault);
  yield* kvm.writeUnlock(cpu);
  kvm.observer.fault(cpu, fault.gfn, fault.goalLevel, result);
  if (result === RET_PF_EMULATE) yield* emulateWrite(vcpu, slot, fault.gfn);
  return result;
}

/** mmu_topup_memory_caches(). Returns false for -ENOMEM. */
export function topupVcpuCaches({ kvm, cpu, caches }: Vcpu): boolean {
  return (
    topupVcpuCache(kvm, cpu, caches.desc, kvm.descPool, DESC_CACHE_MIN) &&
    topupVcpuCache(kvm, cpu, caches.header, kvm.headerPool, PAGE_CACHE_MIN) &&
    topupVcpuCache(kvm, cpu, caches.table, kvm.tablePool, PAGE_CACHE_MIN) &&
    topupVcpuCache(kvm, cpu, caches.shadowInfo, kvm.shadowInfoPool, PAGE_CACHE_MIN)
  );
}

/** A fault on a gfn that no memslot has: an MMIO SPTE for the next time, and the access is emulated (2.6). */
function* mmioFault(vcpu: Vcpu, l2Gfn: number, access: number): Steps<number> {
  const { kvm, cpu, walker: gw } = vcpu;
  if (!topupVcpuCaches(vcpu)) return ENOMEM;
  const fault: Fault = {
    l2Gfn,
    access,
    write: (access & ACC_WRITE) !== 0,
    exec: (access & ACC_EXEC) !== 0,
    // Nobody looks at it.
    slot: kvm.slots[0]!,
    logged: false,
    gfn: gw.gfn,
    // There is no frame that could be part of a larger one.
    maxLevel: 1,
    reqLevel: 1,
    goalLevel: 1,
    hugePageDisallowed: false,
    noslot: true,
    seq: 0,
    pfn: 0,
    hostWritable: false,
  };
  yield* kvm.writeLock(cpu);
  const result = yield* reclaimAndFetch(vcpu, fault);
  yield* kvm.writeUnlock(cpu);
  kvm.observer.fault(cpu, fault.gfn, 1, result);
  return result;
}

/** Steps 4 to 9 under the lock: room for new pages, a look whether what was found is still good, and the tables. */
function* reclaimAndFetch(vcpu: Vcpu, fault: Fault): Steps<number> {
  const { engine } = vcpu.kvm;
  // 6.1.192 reclaims before it looks whether the root is still good: reclaim may take the root away (B-44).
  if (!engine.reclaimsBeforeStaleCheck && isPageFaultStale(vcpu, fault)) return RET_PF_RETRY;
  if ((yield* engine.makeMmuPagesAvailable(vcpu)) !== 0) return RET_PF_RETRY;
  if (engine.reclaimsBeforeStaleCheck && isPageFaultStale(vcpu, fault)) return RET_PF_RETRY;
  return yield* fetch(vcpu, fault);
}

/** is_page_fault_stale() (D17). */
export function isPageFaultStale(vcpu: Vcpu, fault: Fault): boolean {
  const { kvm, rootSp } = vcpu;
  if (rootSp === 0 || kvm.engine.isObsoleteRoot(kvm, rootSp)) return true;
  if (fault.noslot) return false;
  return isInvalidated(kvm, vcpu.cpu, fault);
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
export function hugepageAdjust(vcpu: Vcpu, fault: Fault): void {
  const { kvm } = vcpu;
  fault.hugePageDisallowed = fault.exec && kvm.config.nxHugePages;
  if (fault.maxLevel === 1 || kvm.engine.loggedFaultsMapSmall(fault)) return;
  fault.reqLevel = fault.slot.maxMappingLevel(fault.gfn, fault.maxLevel);
  if (fault.reqLevel === 1 || fault.hugePageDisallowed) return;
  fault.goalLevel = fault.reqLevel;
}

/** disallowed_hugepage_adjust(): with NX on, a table at the goal level means one level lower. */
export function disallowedHugepageAdjust(vcpu: Vcpu, fault: Fault, sptep: number, level: number): void {
  const { kvm } = vcpu;
  const { engine } = kvm;
  const lo = heldLo(kvm, sptep);
  if (level === 1 || level !== fault.goalLevel || !isShadowPresent(lo) || isLarge(lo)) return;
  const hi = heldHi(kvm, sptep);
  if (!engine.tableForbidsHuge(kvm, lo, hi)) return;
  kvm.observer.hugeForbidden(vcpu.cpu, spteChildSp(kvm, lo, hi));
  fault.goalLevel--;
}

/** FNAME(fetch) (5.2 steps 5 to 9). */
function* fetch(vcpu: Vcpu, fault: Fault): Steps<number> {
  const { kvm, cpu, walker: gw } = vcpu;
  const directAccess = gw.pteAccess;
  const childAccess = kvm.engine.directChildAccess(gw);
  let level = gw.rootLevel;
  let sptep = sptepOf(kvm, vcpu.rootSp, walkIndex(kvm, fault.l2Gfn, level));
  if (yield* kvm.engine.gpteChanged(vcpu, level)) return RET_PF_RETRY;

  for (; level > gw.level; level--) {
    clearSpWriteFloodingCount(kvm, sptepToSp(kvm, sptep));
    const access = kvm.engine.indirectChildAccess(gw, level - 1);
    const sp = yield* getChildSp(vcpu, sptep, gw.tableGfn[level - 1]!, false, access);
    // L1 need not flush after making an entry present: what hangs below must be good when it is linked (B-31).
    if (sp !== 0 && !(yield* kvm.engine.syncBeforeLink(vcpu, sp))) return RET_PF_RETRY;
    if (yield* kvm.engine.gpteChanged(vcpu, level - 1)) return RET_PF_RETRY;
    if (sp !== 0) yield* linkShadowPage(vcpu, sptep, sp);
    sptep = childSptep(vcpu, sptep, fault.l2Gfn, level);
  }

  clearSpWriteFloodingCount(kvm, sptepToSp(kvm, sptep));
  hugepageAdjust(vcpu, fault);
  kvm.observer.spteRequested(cpu, fault.gfn, fault.pfn, fault.goalLevel);
  for (; ; level--) {
    if (kvm.config.nxHugePages) disallowedHugepageAdjust(vcpu, fault, sptep, level);
    if (level === fault.goalLevel) break;
    yield* kvm.engine.validateDirectSpte(vcpu, sptep, childAccess);
    const baseGfn = fault.gfn & ~(kvm.pages(level) - 1);
    const sp = yield* getChildSp(vcpu, sptep, baseGfn, true, childAccess);
    if (sp !== 0) {
      yield* linkShadowPage(vcpu, sptep, sp);
      if (fault.hugePageDisallowed && fault.reqLevel >= level) {
        accountHugeNxPage(kvm, cpu, sp);
      }
    }
    sptep = childSptep(vcpu, sptep, fault.l2Gfn, level);
  }

  if (fault.noslot) return yield* setMmioSpte(kvm, cpu, sptep, fault.gfn);
  const result = yield* setSpte(vcpu, fault, sptep, directAccess, fault.gfn & ~(kvm.pages(level) - 1), false);
  if (result === RET_PF_SPURIOUS) return result;
  yield* prefetch(vcpu, fault, sptep);
  return result;
}

/** The entry one level down, below the table that `sptep` points to. */
export function childSptep(vcpu: Vcpu, sptep: number, l2Gfn: number, level: number): number {
  const { kvm } = vcpu;
  const table = spteTable(kvm, heldLo(kvm, sptep), heldHi(kvm, sptep));
  return kvm.tablesQ + (table << kvm.tableBits) + walkIndex(kvm, l2Gfn, level - 1);
}
