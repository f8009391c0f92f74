/** Eager page splitting on the shadow MMU: the control flow (kernel-facts 3.2 to 3.5, 3.7). */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM_MIN_FREE_MMU_PAGES, PG_LEVEL_1G, PG_LEVEL_4K } from '../config.ts';
import { EAGAIN, ENOMEM, ENOSPC } from '../errno.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { KVM, type Kvm } from '../kvm.ts';
import type { SplitCaches } from '../memory-cache.ts';
import type { MemSlot } from '../memslot.ts';
import { roleGuestMode, roleInvalid, roleLevel } from '../role.ts';
import { dropSpte } from '../rmap.ts';
import {
  pageGetGfn, SP_UNSYNC, spFlags, spGfn, spRole, spteIndex, sptepToSp,
} from '../shadow-page.ts';
import { recycleRmap } from './recycle.ts';
import { isHugeSpte } from './split-steps.ts';
import { SplitPass } from './split-pass.ts';
import { slotHandleLevel } from './walker.ts';
import { zapPages } from './zap.ts';

/** kvm_mmu_available_pages(). */
export function mmuAvailablePages(kvm: Kvm): number {
  return Math.max(0, kvm.get(KVM.nMax) - kvm.get(KVM.nUsed));
}

/**
 * kvm_mmu_slot_try_split_huge_pages(), the nested part (E1, 3.1): takes and drops `mmu_lock`.
 * [start, end) are gfns of the slot; KVM passes all of it, a shard its part.
 */
export function* slotTrySplitHugePages(
  kvm: Kvm, cpu: Cpu, caches: SplitCaches, slot: MemSlot, start: number, end: number,
): Steps<void> {
  if (!kvm.config.eagerPageSplit || !kvm.config.tdpMmu) return;
  yield* kvm.writeLock(cpu);
  yield* shadowMmuTrySplitRange(kvm, cpu, caches, slot, start, end, PG_LEVEL_4K);
  yield* kvm.writeUnlock(cpu);
}

/** kvm_mmu_try_split_huge_pages(), the nested part (E2): the caller holds `mmu_lock` for write. */
export function* trySplitHugePages(
  kvm: Kvm, cpu: Cpu, caches: SplitCaches, slot: MemSlot, start: number, end: number,
): Steps<void> {
  if (!kvm.config.eagerPageSplit || !kvm.config.tdpMmu) return;
  yield* shadowMmuTrySplitRange(kvm, cpu, caches, slot, start, end, PG_LEVEL_4K);
}

/** kvm_shadow_mmu_try_split_huge_pages() (3.2): one full pass per level, from 1 GiB down. */
export function* shadowMmuTrySplitRange(
  kvm: Kvm, cpu: Cpu, caches: SplitCaches, slot: MemSlot, start: number, end: number, targetLevel: number,
): Steps<void> {
  const pass = new SplitPass(kvm, cpu, caches, slot);
  kvm.observer.splitPass(cpu, slot.config.id, start, end, true);
  for (let level = PG_LEVEL_1G; level > targetLevel; level--) {
    yield* slotHandleLevel(
      kvm, cpu, slot, start, end, level, (head) => shadowMmuTrySplitHugePages(pass, head), true,
    );
  }
  kvm.observer.splitPass(cpu, slot.config.id, start, end, false);
}

/** shadow_mmu_try_split_huge_pages() (3.4): every huge SPTE of one rmap head. Always returns false. */
export function* shadowMmuTrySplitHugePages(pass: SplitPass, head: number): Steps<boolean> {
  const { kvm, cpu, iterator } = pass;
  const { engine } = kvm;
  let sptep = iterator.first(kvm, head, cpu.mmuReleases);
  while (sptep !== 0) {
    if (skipSpte(pass, sptep)) {
      sptep = iterator.next(kvm);
      continue;
    }
    const result = yield* shadowMmuTrySplitHugePage(pass, sptep);
    const then = engine.afterAttempt(result);
    if (then === 'leave') break;
    if (then === 'restart') {
      cpu.count(C.restarts);
      sptep = iterator.first(kvm, head, cpu.mmuReleases);
    } else {
      if (iterator.releases !== cpu.mmuReleases) {
        kvm.observer.broken(cpu, {
          id: 'D4', text: `${cpu.name} goes on with an rmap iterator from before mmu_lock was dropped`, words: [head],
        });
      }
      sptep = iterator.next(kvm);
    }
  }
  return false;
}

/** 3.4 step 1: entries the handler passes over, and what it WARNs about (Q14, Q18). */
function skipSpte(pass: SplitPass, sptep: number): boolean {
  const { kvm, cpu } = pass;
  const sp = sptepToSp(kvm, sptep);
  const role = spRole(kvm, sp);
  if (!roleGuestMode(role)) {
    kvm.observer.broken(cpu, { id: 'Q14', text: `shadow page ${sp} in an rmap is not in guest mode`, words: [sptep * 2] });
    return true;
  }
  if (!isHugeSpte(kvm.w[sptep * 2]!)) {
    kvm.observer.broken(cpu, { id: 'Q20', text: `an rmap above 4K names an SPTE that is not huge`, words: [sptep * 2] });
    return true;
  }
  if ((spFlags(kvm, sp) & SP_UNSYNC) !== 0) {
    kvm.observer.broken(cpu, { id: 'Q18', text: `shadow page ${sp} above level 1 is unsync`, words: [sptep * 2] });
    return true;
  }
  return roleInvalid(role);
}

/** shadow_mmu_try_split_huge_page() (3.5) with shadow_mmu_split_huge_page() (3.7) and __link_shadow_page() (3.10) in it. */
export function* shadowMmuTrySplitHugePage(pass: SplitPass, hugeSptep: number): Steps<number> {
  const { kvm, cpu, caches } = pass;
  const { engine } = kvm;
  const parent = sptepToSp(kvm, hugeSptep);
  const level = roleLevel(spRole(kvm, parent));
  const gfn = pageGetGfn(kvm, parent, spteIndex(kvm, hugeSptep));
  pass.level = level;
  pass.gfn = gfn;
  kvm.observer.splitBegin(cpu, hugeSptep);

  if (mmuAvailablePages(kvm) <= engine.splitMinFreePages) {
    cpu.count(C.splitEnospc);
    kvm.put(KVM.splitFailures, kvm.get(KVM.splitFailures) + 1);
    kvm.observer.splitAttempt(cpu, gfn, level, kvm.w[hugeSptep * 2]!, kvm.w[hugeSptep * 2 + 1]!, ENOSPC);
    return ENOSPC;
  }
  if (kvm.needbreakVisible && cpu.stepped) yield cpu.at(Op.Load, kvm.mmuLock.waitLock);
  if (engine.needTopupSplitCachesOrResched(kvm, cpu, caches)) return yield* dropLockAndTopup(pass, hugeSptep);

  if (cpu.stepped) yield cpu.at(Op.Load64, hugeSptep * 2);
  cpu.load64(hugeSptep);
  pass.hugeLo = cpu.lo;
  pass.hugeHi = cpu.hi;
  pass.childHasTables = false;
  const sp = engine.getSpForSplit(pass, hugeSptep);
  if (pass.unsyncHits.length > 0) yield* zapPages(kvm, cpu, pass.unsyncHits.splice(0));
  kvm.observer.splitChild(cpu, hugeSptep, sp);

  for (let i = engine.fillSplitChild(pass, sp, 0); i < kvm.entries; ) {
    yield* recycleRmap(kvm, cpu, pass.slot, spGfn(kvm, sp) + i * kvm.pages(level - 1), level - 1);
    i = engine.fillSplitChild(pass, sp, i + 1);
  }

  if (cpu.stepped) yield cpu.at(Op.Exchange64, hugeSptep * 2);
  dropSpte(kvm, cpu, hugeSptep);
  if (engine.splitNeedsFlush(pass)) {
    yield* flushRemoteTlbs(kvm, cpu, 'split', engine.splitFlushGfn(kvm, hugeSptep, gfn), kvm.pages(level));
  }
  if (cpu.stepped) yield cpu.at(Op.Store64, hugeSptep * 2);
  engine.linkSplitChild(pass, hugeSptep, sp);
  kvm.observer.splitLinked(cpu, hugeSptep, sp, pass.hugeLo, pass.hugeHi);
  engine.splitLinked(pass, sp);

  pass.splitsThisHold++;
  cpu.count(C.splitOk);
  cpu.count(level === PG_LEVEL_1G ? C.split1g : C.split2m);
  kvm.observer.progress(cpu);
  kvm.observer.splitAttempt(cpu, gfn, level, pass.hugeLo, pass.hugeHi, 0);
  return 0;
}

/** 3.5 step 3: the lock is dropped, the caches are filled, and the caller starts over. */
function* dropLockAndTopup(pass: SplitPass, hugeSptep: number): Steps<number> {
  const { kvm, cpu, caches, level, gfn } = pass;
  const lo = kvm.w[hugeSptep * 2]!;
  const hi = kvm.w[hugeSptep * 2 + 1]!;
  if (pass.splitsThisHold === 0) cpu.count(C.roundsWithoutSplit);
  pass.splitsThisHold = 0;
  cpu.count(C.splitHolds);
  yield* kvm.writeUnlock(cpu);
  cpu.safepoint();
  // need_topup counted the reason; the topup itself never sleeps in the model.
  const result = kvm.engine.topupSplitCaches(kvm, cpu, caches) === 0 ? EAGAIN : ENOMEM;
  yield* kvm.writeLock(cpu);
  cpu.count(result === EAGAIN ? C.splitEagain : C.splitEnomem);
  if (result !== EAGAIN) kvm.put(KVM.splitFailures, kvm.get(KVM.splitFailures) + 1);
  kvm.observer.splitAttempt(cpu, gfn, level, lo, hi, result);
  return result;
}

/** The default of `Engine.splitMinFreePages` (C2). */
export const SPLIT_MIN_FREE_PAGES = KVM_MIN_FREE_MMU_PAGES;
