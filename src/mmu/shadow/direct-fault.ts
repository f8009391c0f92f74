/**
 * The page fault of L1 without the TDP MMU: direct_page_fault() on direct pages of the shadow MMU, with rmaps and under
 * the write lock (kernel-facts 1.2 (a), 5.2, A3, C1). EPT01 is then made of the same pages as EPT02.
 */
import type { Steps } from '../../cpu/steps.ts';
import { RET_PF_RETRY, RET_PF_SPURIOUS } from '../errno.ts';
import { ACC_ALL } from '../format.ts';
import { setMmioSpte } from '../mmio.ts';
import { accountHugeNxPage } from '../nx-list.ts';
import { makeRole } from '../role.ts';
import { SP, sptepOf, spPut, spRootCount } from '../shadow-page.ts';
import { setRoot, tlbFlushAll } from '../tlb.ts';
import type { Vcpu } from '../vcpu.ts';
import { ROOT_L1 } from '../vcpu-words.ts';
import {
  childSptep,
  disallowedHugepageAdjust,
  hugepageAdjust,
  isPageFaultStale,
  topupVcpuCaches,
} from './fault.ts';
import { getChildSp, getShadowPage, linkShadowPage } from './get-page.ts';
import { prefetch } from './prefetch.ts';
import { setSpte, type Fault } from './set-spte.ts';
import { walkIndex } from './walk-addr.ts';

/** The role of a root that maps L1's memory one to one. */
export function directRootRole({ kvm }: Vcpu): number {
  return makeRole({
    level: kvm.config.tdpRootLevel,
    direct: true,
    access: ACC_ALL,
    efer_nx: kvm.format.name === 'npt',
    cr0_wp: true,
    ad_disabled: !kvm.config.hostAdBits,
    guest_mode: false,
  });
}

/** mmu_alloc_direct_roots() without the TDP MMU: all vCPUs that run L1 share one root. Nothing happens for want of memory. */
export function* loadDirectRoot(vcpu: Vcpu): Steps<void> {
  const { kvm, cpu } = vcpu;
  if (!topupVcpuCaches(vcpu)) return;
  yield* kvm.writeLock(cpu);
  if ((yield* kvm.engine.makeMmuPagesAvailable(vcpu)) === 0) {
    const sp = yield* getShadowPage(vcpu, 0, directRootRole(vcpu));
    spPut(kvm, sp, SP.rootCount, spRootCount(kvm, sp) + 1);
    setRoot(vcpu, ROOT_L1, sp);
    tlbFlushAll(vcpu);
  }
  yield* kvm.writeUnlock(cpu);
}

/** direct_page_fault() from the lock on, where there is no TDP MMU. */
export function* directPageFaultLocked(vcpu: Vcpu, fault: Fault): Steps<number> {
  const { kvm, cpu } = vcpu;
  const { engine } = kvm;
  yield* kvm.writeLock(cpu);
  let result = RET_PF_RETRY;
  if (engine.reclaimsBeforeStaleCheck || !isPageFaultStale(vcpu, fault)) {
    const room = (yield* engine.makeMmuPagesAvailable(vcpu)) === 0;
    const good = room && !(engine.reclaimsBeforeStaleCheck && isPageFaultStale(vcpu, fault));
    if (good) result = yield* directMap(vcpu, fault);
  }
  yield* kvm.writeUnlock(cpu);
  return result;
}

/** __direct_map(). */
function* directMap(vcpu: Vcpu, fault: Fault): Steps<number> {
  const { kvm, cpu } = vcpu;
  hugepageAdjust(vcpu, fault);
  kvm.observer.spteRequested(cpu, fault.gfn, fault.pfn, fault.goalLevel);
  let level = kvm.config.tdpRootLevel;
  let sptep = sptepOf(kvm, vcpu.rootSp, walkIndex(kvm, fault.gfn, level));
  for (; ; level--) {
    if (kvm.config.nxHugePages) disallowedHugepageAdjust(vcpu, fault, sptep, level);
    const baseGfn = level * kvm.tableBits > 31 + kvm.tableBits ? 0 : fault.gfn & ~(kvm.pages(level) - 1);
    if (level === fault.goalLevel) {
      if (fault.noslot) return yield* setMmioSpte(kvm, cpu, sptep, fault.gfn);
      const result = yield* setSpte(vcpu, fault, sptep, ACC_ALL, baseGfn, false);
      if (result !== RET_PF_SPURIOUS) yield* prefetch(vcpu, fault, sptep);
      return result;
    }
    const sp = yield* getChildSp(vcpu, sptep, baseGfn, true, ACC_ALL);
    if (sp !== 0) {
      yield* linkShadowPage(vcpu, sptep, sp);
      if (fault.hugePageDisallowed && fault.reqLevel >= level) accountHugeNxPage(kvm, cpu, sp);
    }
    sptep = childSptep(vcpu, sptep, fault.gfn, level);
  }
}
