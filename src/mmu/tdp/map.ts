/** kvm_tdp_mmu_map(): walks EPT01 down to where a fault belongs, and maps it (kernel-facts 4.5, A2, B-41, B-42). */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import type { Steps } from '../../cpu/steps.ts';
import { spinLock, spinUnlock } from '../../locks/spinlock.ts';
import { RET_PF_EMULATE, RET_PF_FIXED, RET_PF_RETRY, RET_PF_SPURIOUS } from '../errno.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { ACC_ALL, isLarge, isLastSpte, isRemovedSpte, isShadowPresent, isWritable } from '../format.ts';
import type { Kvm } from '../kvm.ts';
import { markPageDirty } from '../log/mark.ts';
import { currentMmioSpte } from '../mmio.ts';
import { accountHugeNxPage, unaccountHugeNxPage } from '../nx-list.ts';
import { roleAdDisabled } from '../role.ts';
import { hugepageAdjust } from '../shadow/fault.ts';
import type { Fault } from '../shadow/set-spte.ts';
import { spRole } from '../shadow-page.ts';
import { makeSpte, spteChildSp } from '../spte.ts';
import type { Vcpu } from '../vcpu.ts';
import { TdpIter } from './iter.ts';
import { tdpMmuLinkSp } from './link.ts';
import { tdpMmuAllocSp, tdpMmuFreeSp, tdpMmuInitChildSp } from './pages.ts';
import { rcuReadLock, rcuReadUnlock, tdpPagesLock } from './rcu.ts';
import { tdpMmuSetSpteAtomic } from './set-spte.ts';

/** Returns RET_PF_. mmu_lock is held for read, and the fault is not stale. */
export function* tdpMmuMap(vcpu: Vcpu, fault: Fault): Steps<number> {
  const { kvm, cpu } = vcpu;
  if (!fault.noslot) hugepageAdjust(vcpu, fault);
  kvm.observer.spteRequested(cpu, fault.gfn, fault.pfn, fault.goalLevel);
  yield* rcuReadLock(kvm, cpu);
  const iter = new TdpIter(kvm, vcpu.rootSp, 1, fault.gfn);
  for (yield* iter.start(cpu); iter.valid && iter.gfn <= fault.gfn; yield* iter.next(cpu)) {
    if (kvm.config.nxHugePages) disallowedHugepageAdjust(vcpu, fault, iter);
    if (iter.level === fault.goalLevel) break;
    if (!(yield* makeWay(vcpu, fault, iter))) break;
  }
  const reached = kvm.engine.tdpGoalReached(iter, fault.goalLevel);
  const result = reached ? yield* mapTargetLevel(vcpu, fault, iter) : RET_PF_RETRY;
  yield* rcuReadUnlock(kvm, cpu);
  return result;
}

/** disallowed_hugepage_adjust(): with NX on, a table at the goal level means one level lower. */
function disallowedHugepageAdjust({ kvm, cpu }: Vcpu, fault: Fault, iter: TdpIter): void {
  if (iter.level === 1 || iter.level !== fault.goalLevel) return;
  if (
    isShadowPresent(iter.lo) &&
    !isLarge(iter.lo) &&
    kvm.engine.tdpTableForbidsHuge(kvm, iter.lo, iter.hi)
  ) {
    kvm.observer.hugeForbidden(cpu, spteChildSp(kvm, iter.lo, iter.hi));
    fault.goalLevel--;
  }
}

/** A table is at the iterator's entry afterwards; false if somebody else changed the entry, or is about to. */
function* makeWay(vcpu: Vcpu, fault: Fault, iter: TdpIter): Steps<boolean> {
  const { kvm, cpu } = vcpu;
  if (isShadowPresent(iter.lo) && isLarge(iter.lo)) {
    if (!(yield* kvm.engine.tdpShrinkHuge(vcpu, fault, iter))) return false;
  }
  if (isShadowPresent(iter.lo)) return true;
  if (isRemovedSpte(iter.lo, iter.hi)) {
    cpu.count(C.tdpFrozenRetries);
    return false;
  }
  const sp = tdpMmuAllocSp(vcpu);
  tdpMmuInitChildSp(kvm, cpu, sp, iter);
  const accountNx = fault.hugePageDisallowed && fault.reqLevel >= iter.level;
  const link = accountNx ? kvm.engine.tdpLinkNxSp : linkPlain;
  if ((yield* link(kvm, cpu, iter, sp)) === 0) return true;
  tdpMmuFreeSp(kvm, sp);
  return false;
}

const linkPlain = (kvm: Kvm, cpu: Cpu, iter: TdpIter, sp: number): Steps<number> =>
  tdpMmuLinkSp(kvm, cpu, iter, sp, true);

/**
 * Default of `Engine.tdpLinkNxSp`: a table that exists because the mitigation forbids a huge page is on the list before
 * anybody can see it (61f94478547b and others, B-42).
 */
export function* tdpLinkNxSp(kvm: Kvm, cpu: Cpu, iter: TdpIter, sp: number): Steps<number> {
  yield* spinLock(cpu, tdpPagesLock(kvm), kvm.observer);
  accountHugeNxPage(kvm, cpu, sp);
  yield* spinUnlock(cpu, tdpPagesLock(kvm), kvm.observer);
  const result = yield* tdpMmuLinkSp(kvm, cpu, iter, sp, true);
  if (result === 0) return 0;
  yield* spinLock(cpu, tdpPagesLock(kvm), kvm.observer);
  unaccountHugeNxPage(kvm, sp);
  yield* spinUnlock(cpu, tdpPagesLock(kvm), kvm.observer);
  return result;
}

/** tdp_mmu_map_handle_target_level(). */
function* mapTargetLevel(vcpu: Vcpu, fault: Fault, iter: TdpIter): Steps<number> {
  const { kvm, cpu } = vcpu;
  const { lo: oldLo, level } = iter;
  const wrprot = yield* leafValue(vcpu, fault, iter);
  const { lo, hi } = cpu;
  // For MMIO, and for a write that may not be let through, the instruction is emulated whatever becomes of the entry.
  const emulates = fault.noslot || (wrprot && fault.write);
  if (lo === iter.lo && hi === iter.hi) return emulates ? RET_PF_EMULATE : RET_PF_SPURIOUS;
  if ((yield* tdpMmuSetSpteAtomic(kvm, cpu, iter, lo, hi)) !== 0) return RET_PF_RETRY;
  if (!fault.noslot) kvm.observer.spteSet(cpu, iter.sptep, iter.gfn, level, lo, hi);
  kvm.observer.installed(cpu, vcpu.rootSp, iter.sptep, fault.seq);
  if (isShadowPresent(oldLo) && !isLastSpte(oldLo, level)) {
    yield* flushRemoteTlbs(kvm, cpu, 'tdp', iter.gfn, kvm.engine.tdpFlushPages(kvm, level));
  }
  if (fault.noslot) {
    cpu.count(C.mmioSptes);
    cpu.count(C.mmioAccesses);
  } else cpu.count(C.tdpMapped);
  return emulates ? RET_PF_EMULATE : RET_PF_FIXED;
}

/** The value that belongs at the iterator's entry, left in `cpu.lo/hi`. True if a permitted write was taken away. */
function* leafValue(vcpu: Vcpu, fault: Fault, iter: TdpIter): Steps<boolean> {
  const { kvm, cpu } = vcpu;
  const { slot, hostWritable } = fault;
  const { gfn, level } = iter;
  if (fault.noslot) {
    yield* currentMmioSpte(kvm, cpu, gfn);
    return false;
  }
  const oldLo = isLastSpte(iter.lo, level) ? iter.lo : 0;
  // make_spte() asks only where it is about to set W anew.
  const asksWrite = hostWritable && !isWritable(oldLo);
  const writeProtected =
    asksWrite && (yield* kvm.engine.mmuTryToUnsyncPages(kvm, cpu, slot, gfn, true, false));
  const wrprot = makeSpte(kvm, cpu, {
    level,
    pfn: fault.pfn - (fault.gfn - gfn),
    access: ACC_ALL,
    hostWritable,
    prefetch: false,
    adDisabled: roleAdDisabled(spRole(kvm, iter.sp)),
    guestMode: false,
    oldLo,
    writeProtected,
  });
  const { lo, hi } = cpu;
  // The page is in the log before W can be seen, under the lock that whoever harvests takes for write (Q44, D19).
  if (fault.logged && isWritable(lo)) yield* markPageDirty(kvm, cpu, slot, gfn);
  cpu.lo = lo;
  cpu.hi = hi;
  return wrprot;
}
