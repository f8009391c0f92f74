/** Eager page splitting on the shadow MMU: the control flow (kernel-facts 3.2 to 3.5, 3.7). */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM_MIN_FREE_MMU_PAGES, PG_LEVEL_1G, PG_LEVEL_4K } from '../config.ts';
import { EAGAIN, EEXIST, ENOMEM, ENOSPC } from '../errno.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { heldLo } from '../held-spte.ts';
import { KVM, type Kvm } from '../kvm.ts';
import type { SplitCaches } from '../memory-cache.ts';
import type { MemSlot } from '../memslot.ts';
import { letWaitersIn } from '../resched.ts';
import { roleGuestMode, roleInvalid, roleLevel } from '../role.ts';
import { dropLeaf, dropSpte } from '../rmap.ts';
import { lockAllRmaps, unlockAllRmaps } from '../rmap-lock.ts';
import { pageGetGfn, SP_UNSYNC, spFlags, spGfn, spRole, spteIndex, sptepToSp } from '../shadow-page.ts';
import { recycleRmap } from './recycle.ts';
import { isHugeSpte } from './split-steps.ts';
import { SplitPass } from './split-pass.ts';
import { RmapWalk, yieldWalk } from './walker.ts';
import { zapPages } from './zap.ts';

/** kvm_mmu_available_pages(). */
export function mmuAvailablePages(kvm: Kvm): number {
  return Math.max(0, kvm.get(KVM.nMax) - kvm.get(KVM.nUsed));
}

/** The test at the top of both entry helpers (3.1): eager_page_split, and tdp_mmu unless the design does without. */
export const splitsEagerly = (kvm: Kvm): boolean =>
  kvm.config.eagerPageSplit && (kvm.config.tdpMmu || kvm.engine.splitsWithoutTdp);

/**
 * kvm_mmu_slot_try_split_huge_pages(), the nested part (E1, 3.1): takes and drops `mmu_lock`.
 * [start, end) are gfns of the slot; KVM passes all of it, a shard its part.
 */
export function* slotTrySplitHugePages(
  kvm: Kvm,
  cpu: Cpu,
  caches: SplitCaches,
  slot: MemSlot,
  start: number,
  end: number,
): Steps<void> {
  if (!splitsEagerly(kvm) || !kvm.haveRmaps) return;
  yield* kvm.writeLock(cpu);
  yield* shadowMmuTrySplitRange(kvm, cpu, caches, slot, start, end, PG_LEVEL_4K, 'F3');
  yield* kvm.writeUnlock(cpu);
}

/** kvm_mmu_try_split_huge_pages(), the nested part (E2): the caller holds `mmu_lock` for write. */
export function* trySplitHugePages(
  kvm: Kvm,
  cpu: Cpu,
  caches: SplitCaches,
  slot: MemSlot,
  start: number,
  end: number,
): Steps<void> {
  if (!splitsEagerly(kvm) || !kvm.haveRmaps) return;
  yield* shadowMmuTrySplitRange(kvm, cpu, caches, slot, start, end, PG_LEVEL_4K, 'F4');
}

/**
 * kvm_shadow_mmu_try_split_huge_pages() (3.2): one full pass per level, from 1 GiB down.
 * @param last the place of kernel-facts 9.4 that the end of this pass is: a deferred flush is due there
 */
export function* shadowMmuTrySplitRange(
  kvm: Kvm,
  cpu: Cpu,
  caches: SplitCaches,
  slot: MemSlot,
  start: number,
  end: number,
  targetLevel: number,
  last: 'F3' | 'F4' = 'F3',
): Steps<void> {
  const pass = new SplitPass(kvm, cpu, caches, slot);
  kvm.observer.splitPass(cpu, slot.config.id, start, end, true);
  for (let level = PG_LEVEL_1G; level > targetLevel; level--) {
    yield* shadowMmuTrySplitHugePages(pass, new RmapWalk(kvm, slot, start, end, level));
    if (pass.owes && level > targetLevel + 1) yield* kvm.engine.settleDebt(pass, 'F6');
  }
  if (pass.owes) yield* kvm.engine.settleDebt(pass, last);
  kvm.observer.splitPass(cpu, slot.config.id, start, end, false);
}

/**
 * shadow_mmu_try_split_huge_pages() (3.4), the handler, with the walk over the heads of one level around it.
 *
 * shadow_mmu_try_split_huge_page() (3.5) and shadow_mmu_split_huge_page() (3.7) are in here too: generators of their own,
 * or one for each head, would cost every split. What they do between visible operations is in plain functions below. The
 * handler owes no flush, as KVM's always returns false (3.3); a design that defers flushes keeps its debt in the pass.
 */
export function* shadowMmuTrySplitHugePages(pass: SplitPass, walk: RmapWalk): Steps<void> {
  const { kvm, cpu, iterator } = pass;
  const { engine } = kvm;
  do {
    const value = kvm.w[walk.head]!;
    if (value !== 0) kvm.observer.splitHead(cpu, (value & 1) !== 0);
    let sptep = iterator.first(kvm, walk.head, cpu.mmuReleases);
    while (sptep !== 0) {
      if (skipSpte(pass, sptep)) {
        sptep = iterator.next(kvm);
        continue;
      }
      let result = beginAttempt(pass, sptep);
      if (result === 0) {
        if (kvm.needbreakVisible && cpu.stepped && cpu.stops(Op.Load, kvm.mmuLock.waitLock)) yield;
        if (engine.needTopupSplitCachesOrResched(kvm, cpu, pass.caches, pass.splitsThisHold)) {
          result = yield* dropLockAndTopup(pass, sptep);
        } else {
          if (cpu.stepped && cpu.stops(Op.Load64, sptep * 2)) yield;
          const sp = getChild(pass, sptep);
          if (pass.unsyncHits.length > 0) {
            yield* zapPages(kvm, cpu, pass.unsyncHits.splice(0));
            if (pass.owes) yield* engine.settleDebt(pass, 'F7');
          }
          if (sp === 0) result = refuseChild(pass);
          else {
            if (engine.locksRmaps) yield* lockAllRmaps(kvm, cpu);
            kvm.observer.splitChild(cpu, sptep, sp);
            const filled = pass.childReused
              ? yield* engine.fillReusedChild(pass, sp, 0)
              : engine.fillSplitChild(pass, sp, 0);
            if (engine.locksRmaps) yield* unlockAllRmaps(kvm, cpu);
            if (filled < kvm.entries) yield* recycleAndFill(pass, sp, filled);
            const flushes = engine.splitNeedsFlush(pass);
            if (flushes && engine.splitFlushesBeforeDrop) yield* flushForSplit(pass, sptep);
            kvm.observer.linkBegin(cpu, sptep, sp, pass.childHasTables);
            if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
            if (engine.locksRmaps) yield* dropLeaf(kvm, cpu, sptep);
            else dropSpte(kvm, cpu, sptep);
            if (flushes && !engine.splitFlushesBeforeDrop) yield* flushForSplit(pass, sptep);
            if (cpu.stepped && cpu.stops(Op.Store64, sptep * 2)) yield;
            const rest = finishAttempt(pass, sptep, sp);
            if (rest !== undefined) yield* rest;
          }
        }
      } else {
        if (cpu.stepped && cpu.stops(Op.Load64, sptep * 2)) yield;
        reportNoRoom(pass, sptep);
      }
      const then = engine.afterAttempt(result);
      if (then === 'leave') {
        if (pass.owes) yield* engine.settleDebt(pass, 'F5');
        break;
      }
      sptep = nextAttempt(pass, walk.head, then);
    }
    if (kvm.needbreakVisible && cpu.stepped && cpu.stops(Op.Load, kvm.mmuLock.waitLock)) yield;
    if (walk.wantsYield(cpu, false)) {
      if (pass.owes) yield* engine.settleDebt(pass, 'F2');
      yield* yieldWalk(walk, cpu, false);
      if (pass.owes) yield* engine.settleDebt(pass, 'F9');
    }
  } while (walk.next());
}

/** 3.10 step 2. */
function flushForSplit({ kvm, cpu, gfn, level }: SplitPass, hugeSptep: number): Steps<void> {
  const { engine } = kvm;
  const first = engine.splitFlushGfn(kvm, hugeSptep, gfn);
  return flushRemoteTlbs(kvm, cpu, 'split', first, engine.splitFlushPages(kvm, level));
}

/** 3.4 steps 3 and 4: over again from the head, or on with the next entry. */
function nextAttempt(pass: SplitPass, head: number, then: 'restart' | 'next'): number {
  const { kvm, cpu, iterator } = pass;
  if (then === 'restart') {
    cpu.count(C.restarts);
    kvm.observer.splitRestart(cpu, head);
    return iterator.first(kvm, head, cpu.mmuReleases);
  }
  if (iterator.releases !== cpu.mmuReleases) {
    kvm.observer.broken(cpu, {
      id: 'D4',
      text: `${cpu.name} goes on with an rmap iterator from before mmu_lock was dropped`,
      words: [head],
    });
  }
  return iterator.next(kvm);
}

/** 3.4 step 1: entries the handler passes over, and what it WARNs about (Q14, Q18). */
function skipSpte(pass: SplitPass, sptep: number): boolean {
  const { kvm, cpu } = pass;
  const sp = sptepToSp(kvm, sptep);
  const role = spRole(kvm, sp);
  if (!roleGuestMode(role) && kvm.engine.splitSkipsNonNested) {
    kvm.observer.broken(cpu, {
      id: 'Q14',
      text: `shadow page ${sp} in an rmap is not in guest mode`,
      words: [sptep * 2],
    });
    return true;
  }
  if (!isHugeSpte(heldLo(kvm, sptep))) {
    kvm.observer.broken(cpu, {
      id: 'Q20',
      text: `an rmap above 4K names an SPTE that is not huge`,
      words: [sptep * 2],
    });
    return true;
  }
  if ((spFlags(kvm, sp) & SP_UNSYNC) !== 0) {
    kvm.observer.broken(cpu, {
      id: 'Q18',
      text: `shadow page ${sp} above level 1 is unsync`,
      words: [sptep * 2],
    });
    return true;
  }
  return roleInvalid(role) && kvm.engine.splitSkipsInvalid;
}

/** 3.5 steps 1 and 2: what is to be split, and whether there is room. Returns 0 or ENOSPC. */
function beginAttempt(pass: SplitPass, hugeSptep: number): number {
  const { kvm, cpu } = pass;
  const parent = sptepToSp(kvm, hugeSptep);
  pass.level = roleLevel(spRole(kvm, parent));
  pass.gfn = pageGetGfn(kvm, parent, spteIndex(kvm, hugeSptep));
  kvm.observer.splitBegin(cpu, hugeSptep);
  if (mmuAvailablePages(kvm) > kvm.engine.splitMinFreePages) return 0;
  cpu.count(C.splitEnospc);
  kvm.put(KVM.splitFailures, kvm.get(KVM.splitFailures) + 1);
  return ENOSPC;
}

/** What the tracepoint says of a page for which there is no room. The caller has announced Load64 of the entry. */
function reportNoRoom({ kvm, cpu, gfn, level }: SplitPass, hugeSptep: number): void {
  cpu.load64(hugeSptep);
  kvm.observer.splitAttempt(cpu, gfn, level, cpu.lo, cpu.hi, ENOSPC);
}

/** The design leaves this page huge; what of it has to be split is left to the faults (H-I). */
function refuseChild({ kvm, cpu, gfn, level, hugeLo, hugeHi }: SplitPass): number {
  kvm.put(KVM.splitFailures, kvm.get(KVM.splitFailures) + 1);
  kvm.observer.splitAttempt(cpu, gfn, level, hugeLo, hugeHi, EEXIST);
  return EEXIST;
}

/** 3.7 step 1: the huge value is snapshotted, the child found or made. The caller has announced Load64 of the entry. */
function getChild(pass: SplitPass, hugeSptep: number): number {
  const { kvm, cpu } = pass;
  cpu.load64(hugeSptep);
  pass.hugeLo = cpu.lo;
  pass.hugeHi = cpu.hi;
  pass.childHasTables = false;
  pass.recycled = false;
  return kvm.engine.getSpForSplit(pass, hugeSptep);
}

/** 3.7 step 2c: the head of entry `at` has become too long; it is emptied, and the filling goes on behind the entry. */
function* recycleAndFill(pass: SplitPass, sp: number, at: number): Steps<void> {
  const { kvm, cpu, slot } = pass;
  const { engine } = kvm;
  const level = pass.level - 1;
  pass.recycled = true;
  for (let i = at; i < kvm.entries;) {
    yield* recycleRmap(kvm, cpu, slot, sp, spGfn(kvm, sp) + i * kvm.pages(level), level);
    if (pass.owes) yield* engine.settleDebt(pass, 'F8');
    if (engine.locksRmaps) yield* lockAllRmaps(kvm, cpu);
    i = pass.childReused
      ? yield* engine.fillReusedChild(pass, sp, i + 1)
      : engine.fillSplitChild(pass, sp, i + 1);
    if (engine.locksRmaps) yield* unlockAllRmaps(kvm, cpu);
  }
}

/**
 * 3.10 steps 3 and 4, and the accounts of a split that worked. The caller has announced Store64 of the entry.
 * @returns what a design still does with the linked child
 */
function finishAttempt(pass: SplitPass, hugeSptep: number, sp: number): Steps<void> | undefined {
  const { kvm, cpu, level } = pass;
  kvm.engine.linkSplitChild(pass, hugeSptep, sp);
  kvm.observer.splitLinked(cpu, hugeSptep, sp, pass.hugeLo, pass.hugeHi);
  const rest = kvm.engine.splitLinked(pass, sp);
  pass.splitsThisHold++;
  cpu.count(C.splitOk);
  cpu.count(level === PG_LEVEL_1G ? C.split1g : C.split2m);
  kvm.observer.progress(cpu);
  kvm.observer.splitAttempt(cpu, pass.gfn, level, pass.hugeLo, pass.hugeHi, 0);
  return rest;
}

/** 3.5 step 3: the lock is dropped, the caches are filled, and the caller starts over. */
function* dropLockAndTopup(pass: SplitPass, hugeSptep: number): Steps<number> {
  const { kvm, cpu, caches, level, gfn } = pass;
  // For the tracepoint, as KVM reads it.
  if (cpu.stepped && cpu.stops(Op.Load64, hugeSptep * 2)) yield;
  cpu.load64(hugeSptep);
  const { lo, hi } = cpu;
  if (pass.splitsThisHold === 0) cpu.count(C.roundsWithoutSplit);
  pass.splitsThisHold = 0;
  cpu.count(C.splitHolds);
  if (pass.owes) yield* kvm.engine.settleDebt(pass, 'F1');
  yield* kvm.writeUnlock(cpu);
  if (pass.owes) yield* kvm.engine.settleDebt(pass, 'F9');
  letWaitersIn(kvm, cpu);
  // need_topup counted the reason; the topup itself never sleeps in the model.
  const result = (yield* kvm.engine.topupUnlocked(kvm, cpu, caches)) === 0 ? EAGAIN : ENOMEM;
  yield* kvm.writeLock(cpu);
  cpu.count(result === EAGAIN ? C.splitEagain : C.splitEnomem);
  if (result !== EAGAIN) kvm.put(KVM.splitFailures, kvm.get(KVM.splitFailures) + 1);
  kvm.observer.splitAttempt(cpu, gfn, level, lo, hi, result);
  return result;
}

/** The default of `Engine.splitMinFreePages` (C2). */
export const SPLIT_MIN_FREE_PAGES = KVM_MIN_FREE_MMU_PAGES;
