/** Unmapping parts of the TDP MMU (kernel-facts A9, A20, A24, B-21, B-30). */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KernelBug } from '../bug.ts';
import { PG_LEVEL_4K } from '../config.ts';
import { isLastSpte, isShadowPresent } from '../format.ts';
import type { Kvm } from '../kvm.ts';
import type { FlushReason } from '../observer.ts';
import { roleLevel } from '../role.ts';
import { spGfn, spRole } from '../shadow-page.ts';
import { tdpMmuIterCondResched, TdpIter } from './iter.ts';
import { tdpParentSptep } from './pages.ts';
import { rcuReadLock, rcuReadUnlock } from './rcu.ts';
import { tdpMmuNextRoot } from './roots.ts';
import { tdpMmuSetSpte, tdpSetSptep } from './set-spte.ts';
import { tdpMmuZapRoot } from './zap-root.ts';

/**
 * tdp_mmu_zap_leafs(): zaps the leaves of one root that map gfns of [start, end). mmu_lock is held for write.
 * @param flush a flush the caller owes already; done before the lock is given up
 * @returns true if a flush is owed
 */
export function* tdpMmuZapLeafsOfRoot(
  kvm: Kvm,
  cpu: Cpu,
  root: number,
  start: number,
  end: number,
  canYield: boolean,
  flush: boolean,
  reason: FlushReason = 'tdp',
): Steps<boolean> {
  let owed = flush;
  yield* rcuReadLock(kvm, cpu);
  const iter = new TdpIter(kvm, root, PG_LEVEL_4K, start);
  for (yield* iter.start(cpu); iter.valid && iter.gfn < end; yield* iter.next(cpu)) {
    if (canYield && (yield* tdpMmuIterCondResched(kvm, cpu, iter, owed, false, reason))) {
      owed = false;
      continue;
    }
    if (!isLastSpte(iter.lo, iter.level)) continue;
    yield* tdpMmuSetSpte(kvm, cpu, iter, 0, 0);
    cpu.count(C.tdpZapped);
    owed = true;
  }
  yield* rcuReadUnlock(kvm, cpu);
  return owed;
}

/**
 * kvm_tdp_mmu_zap_leafs() and kvm_tdp_mmu_unmap_gfn_range(): the same in all roots, those that were invalidated and are
 * still in use included (d62007edf01f, B-30).
 */
export function* tdpMmuZapLeafs(
  kvm: Kvm,
  cpu: Cpu,
  start: number,
  end: number,
  canYield: boolean,
  flush = false,
  reason: FlushReason = 'tdp',
): Steps<boolean> {
  if (kvm.config.l1Vcpus === 0) return flush;
  const onlyValid = !kvm.engine.tdpUnmapsInvalidRoots;
  let owed = flush;
  for (
    let root = yield* tdpMmuNextRoot(kvm, cpu, 0, onlyValid);
    root !== 0;
    root = yield* tdpMmuNextRoot(kvm, cpu, root, onlyValid)
  ) {
    owed = yield* tdpMmuZapLeafsOfRoot(kvm, cpu, root, start, end, canYield, owed, reason);
  }
  return owed;
}

/** kvm_tdp_mmu_zap_all(): all roots, with mmu_lock held for write. The roots themselves belong to their vCPUs. */
export function* tdpMmuZapAll(kvm: Kvm, cpu: Cpu): Steps<void> {
  if (kvm.config.l1Vcpus === 0) return;
  for (
    let root = yield* tdpMmuNextRoot(kvm, cpu, 0, false);
    root !== 0;
    root = yield* tdpMmuNextRoot(kvm, cpu, root, false)
  ) {
    yield* tdpMmuZapRoot(kvm, cpu, root, false);
  }
}

/**
 * kvm_tdp_mmu_zap_sp(): takes a page with all below it out of its parent, for the NX recovery worker. mmu_lock is held for
 * write, inside an RCU read section.
 * @returns true if a flush is owed, before that section ends
 */
export function* tdpMmuZapSp(kvm: Kvm, cpu: Cpu, sp: number): Steps<boolean> {
  const sptep = tdpParentSptep(kvm, sp);
  if (sptep === 0) throw new KernelBug('Q38', `page ${sp} of the TDP MMU is a root and cannot be zapped`, []);
  if (cpu.stepped && cpu.stops(Op.Load64, sptep * 2)) yield;
  cpu.load64(sptep);
  if (!isShadowPresent(cpu.lo)) return false;
  const level = roleLevel(spRole(kvm, sp)) + 1;
  yield* tdpSetSptep(kvm, cpu, sptep, spGfn(kvm, sp), level, cpu.lo, cpu.hi, 0, 0);
  return true;
}

/** kvm_tdp_mmu_unmap_gfn_range(), for the MMU notifier, which may sleep. True if a flush is owed, `flush` included. */
export function* tdpUnmapGfnRange(
  kvm: Kvm,
  cpu: Cpu,
  start: number,
  end: number,
  flush: boolean,
): Steps<boolean> {
  return yield* tdpMmuZapLeafs(kvm, cpu, start, end, true, flush, 'notifier');
}
