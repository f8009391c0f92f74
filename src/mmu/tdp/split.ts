/** Eager page splitting on the TDP MMU (kernel-facts 4.1 to 4.4). */
import { ArenaError } from '../../arena/errors.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import type { Steps } from '../../cpu/steps.ts';
import { ENOMEM } from '../errno.ts';
import { isLarge, isShadowPresent } from '../format.ts';
import { allocationFails } from '../environment.ts';
import { KVM, type Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import { letWaitersIn } from '../resched.ts';
import { roleAccess, roleLevel } from '../role.ts';
import { spRole, spTable } from '../shadow-page.ts';
import { TdpIter, tdpMmuIterCondResched } from './iter.ts';
import { addStatistic, tdpMmuAllocSpFromPool, tdpMmuFreeSp, tdpMmuInitChildSp } from './pages.ts';
import { hasTdpRoots } from './present.ts';
import { rcuMakeRoom, rcuReadLock, rcuReadUnlock } from './rcu.ts';
import { tdpMmuNextRoot, tdpMmuPutRoot } from './roots.ts';

/**
 * kvm_tdp_mmu_try_split_huge_pages(): the pages of [start, end) in every valid root down to `targetLevel`; the first error
 * ends it. Nothing is flushed: old and new entries translate alike.
 * @param shared mmu_lock is held for read (E1), else for write (E2, E3)
 */
export function* tdpTrySplitHugePages(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  start: number,
  end: number,
  targetLevel: number,
  shared: boolean,
): Steps<void> {
  if (!kvm.config.eagerPageSplit || !kvm.config.tdpMmu || !hasTdpRoots(kvm)) return;
  kvm.observer.tdpSplitPass(cpu, start, end, shared, true);
  for (
    let root = yield* tdpMmuNextRoot(kvm, cpu, 0, true);
    root !== 0;
    root = yield* tdpMmuNextRoot(kvm, cpu, root, true)
  ) {
    if ((yield* splitHugePagesRoot(kvm, cpu, root, start, end, targetLevel, shared)) !== 0) {
      yield* tdpMmuPutRoot(kvm, cpu, root);
      break;
    }
  }
  kvm.observer.tdpSplitPass(cpu, start, end, shared, false);
}

/** tdp_mmu_split_huge_pages_root() (4.2). Returns 0 or -ENOMEM. */
function* splitHugePagesRoot(
  kvm: Kvm,
  cpu: Cpu,
  root: number,
  start: number,
  end: number,
  targetLevel: number,
  shared: boolean,
): Steps<number> {
  const iter = new TdpIter(kvm, root, targetLevel + 1, start);
  let spare = 0;
  let error = 0;
  yield* rcuReadLock(kvm, cpu);
  walk: for (yield* iter.start(cpu); iter.valid && iter.gfn < end; yield* iter.next(cpu)) {
    for (;;) {
      if (yield* tdpMmuIterCondResched(kvm, cpu, iter, false, shared)) continue walk;
      if (!isShadowPresent(iter.lo) || !isLarge(iter.lo)) continue walk;
      if (spare === 0) {
        const releases = cpu.mmuReleases;
        spare = yield* kvm.engine.tdpAllocSpForSplit(kvm, cpu, iter, shared);
        if (spare === 0) {
          error = noteEnomem(kvm, cpu, iter);
          break walk;
        }
        if (cpu.mmuReleases !== releases) continue walk;
      }
      if ((yield* splitHugePage(kvm, cpu, iter, spare, shared)) === 0) break;
      cpu.count(C.tdpSplitRetries);
    }
    spare = 0;
  }
  yield* rcuReadUnlock(kvm, cpu);
  if (spare !== 0) tdpMmuFreeSp(kvm, spare);
  return error;
}

function noteEnomem(kvm: Kvm, cpu: Cpu, iter: TdpIter): number {
  cpu.count(C.tdpSplitEnomem);
  addStatistic(kvm, KVM.splitFailures, 1);
  kvm.observer.tdpSplitAttempt(cpu, iter.gfn, iter.level, iter.lo, iter.hi, ENOMEM);
  return ENOMEM;
}

/**
 * tdp_mmu_split_huge_page() (4.3): fills the page, which nobody can see, from the value of the entry, and links it if that
 * is still the value.
 * @returns 0, or -EBUSY: the iterator has the fresh value, and the page is still the caller's
 */
export function* splitHugePage(
  kvm: Kvm,
  cpu: Cpu,
  iter: TdpIter,
  sp: number,
  shared: boolean,
  link: typeof kvm.engine.tdpLinkSplitChild = kvm.engine.tdpLinkSplitChild,
): Steps<number> {
  const { gfn, level, lo, hi } = iter;
  tdpMmuInitChildSp(kvm, cpu, sp, iter);
  fillSplitChild(kvm, cpu, sp, lo, hi);
  const result = yield* link(kvm, cpu, iter, sp, shared);
  if (result === 0) {
    addStatistic(kvm, KVM.pages + level - 2, kvm.entries);
    addStatistic(kvm, KVM.tdpLeaves + level - 2, kvm.entries);
    cpu.count(C.tdpSplits);
    kvm.observer.progress(cpu);
  }
  kvm.observer.tdpSplitAttempt(cpu, gfn, level, lo, hi, result);
  return result;
}

function fillSplitChild(kvm: Kvm, cpu: Cpu, sp: number, hugeLo: number, hugeHi: number): void {
  const { w, entries } = kvm;
  const role = spRole(kvm, sp);
  const level = roleLevel(role);
  kvm.engine.makeHugePageSplitSpte(kvm, cpu, hugeLo, hugeHi, level, roleAccess(role));
  const { lo, hi } = cpu;
  const step = kvm.pages(level) << 12;
  const first = (kvm.tablesQ + (spTable(kvm, sp) << kvm.tableBits)) * 2;
  kvm.arena.touchRange(first, 2 * entries);
  for (let i = 0; i < entries; i++) {
    w[first + 2 * i] = lo | (i * step);
    w[first + 2 * i + 1] = hi;
  }
}

/** __tdp_mmu_alloc_sp_for_split(). Returns 0 if the allocator refuses. */
function allocSp(kvm: Kvm, cpu: Cpu): number {
  return allocationFails(kvm, cpu) ? 0 : tdpMmuAllocSpFromPool(kvm);
}

/**
 * Default of `Engine.tdpAllocSpForSplit`, as in 6.1: without sleeping under the lock first; if that fails, with mmu_lock
 * dropped, and then the iterator has yielded.
 * @returns the page, or 0: -ENOMEM
 */
export function* tdpAllocSpForSplit(kvm: Kvm, cpu: Cpu, iter: TdpIter, shared: boolean): Steps<number> {
  const sp = allocSp(kvm, cpu);
  if (sp === 0) return yield* tdpAllocSpUnlocked(kvm, cpu, iter, shared);
  kvm.observer.allocatedUnderLock(cpu);
  return sp;
}

/** As since 6.11 (cf3ff0ee24d6, B-57): mmu_lock is always dropped to allocate. */
export function* tdpAllocSpUnlocked(kvm: Kvm, cpu: Cpu, iter: TdpIter, shared: boolean): Steps<number> {
  yield* rcuReadUnlock(kvm, cpu);
  if (shared) yield* kvm.readUnlock(cpu);
  else yield* kvm.writeUnlock(cpu);
  letWaitersIn(kvm, cpu);
  yield* rcuMakeRoom(kvm, cpu);
  const refused = allocationFails(kvm, cpu);
  const sp = refused ? 0 : tdpMmuAllocSpFromPool(kvm);
  if (sp === 0 && !refused) {
    throw new ArenaError(
      `out of ${kvm.tablePool.name}: all ${kvm.tablePool.capacity} of the arena are in use; the scenario needs a larger machine`,
    );
  }
  if (shared) yield* kvm.readLock(cpu);
  else yield* kvm.writeLock(cpu);
  yield* rcuReadLock(kvm, cpu);
  yield* kvm.engine.tdpIterAfterYield(iter, cpu);
  return sp;
}
