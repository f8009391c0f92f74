/** The default steps of the split: profile P1 (kernel-facts 3.6 to 3.10). */
import type { Pool } from '../../arena/pool.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { C } from '../../cpu/counters.ts';
import { HELD_SLOTS } from '../../cpu/cpu.ts';
import { CACHE_OBJECTS } from '../config.ts';
import type { AfterAttempt } from '../engine.ts';
import { splitCacheAllowance } from '../environment.ts';
import { EAGAIN, ENOMEM } from '../errno.ts';
import { isLarge, isShadowPresent, SPTE_PS } from '../format.ts';
import { heldLo } from '../held-spte.ts';
import type { Kvm } from '../kvm.ts';
import { cacheCount, cachePop, cacheTopup, splitDescMin, type SplitCaches } from '../memory-cache.ts';
import { pteListAdd } from '../pte-list.ts';
import { needResched, rwlockNeedbreak } from '../resched.ts';
import { roleAccess, roleAdDisabled, roleLevel } from '../role.ts';
import {
  findShadowPage,
  initShadowPage,
  pageGetAccess,
  pageGetGfn,
  parentPtesWord,
  SP_UNSYNC,
  spFlags,
  spGfn,
  spRole,
  spTable,
  spteIndex,
  sptepToSp,
} from '../shadow-page.ts';
import { makeNonleafSpte } from '../spte.ts';
import { mustRecycle, updatePageStats } from '../rmap.ts';
import type { SplitPass } from './split-pass.ts';

/** True if a split cache is below what one split may need (kernel-facts 2.3). */
export function splitCachesLow(kvm: Kvm, caches: SplitCaches): boolean {
  return (
    cacheCount(kvm, caches.desc) < splitDescMin(kvm.entries) ||
    cacheCount(kvm, caches.header) < 1 ||
    cacheCount(kvm, caches.table) < 1
  );
}

/** need_topup_split_caches_or_resched() (3.6). */
export function needTopupSplitCachesOrResched(kvm: Kvm, cpu: Cpu, caches: SplitCaches): boolean {
  const contended = rwlockNeedbreak(kvm, cpu);
  const resched = needResched(kvm, cpu);
  const low = splitCachesLow(kvm, caches);
  if (low) cpu.count(C.topupsCacheLow);
  else if (contended) cpu.count(C.topupsContended);
  else if (resched) cpu.count(C.topupsResched);
  return contended || resched || low;
}

/** topup_split_caches() (3.6): `slots_lock` held, `mmu_lock` not. */
export function topupSplitCaches(kvm: Kvm, cpu: Cpu, caches: SplitCaches): number {
  assertSplitCacheOwner(kvm, cpu);
  cpu.count(C.topups);
  const low = splitCachesLow(kvm, caches);
  const { splitDesc } = kvm.layout.dims.caches;
  const ok =
    topupSplitCache(kvm, cpu, caches.desc, kvm.descPool, splitDescMin(kvm.entries), splitDesc) &&
    topupSplitCache(kvm, cpu, caches.header, kvm.headerPool, 1, CACHE_OBJECTS) &&
    topupSplitCache(kvm, cpu, caches.table, kvm.tablePool, 1, CACHE_OBJECTS);
  const result = ok ? 0 : ENOMEM;
  kvm.observer.topup(cpu, low, result);
  return result;
}

/** Default of `Engine.topupUnlocked`: slots_lock stays held. */
export function* topupUnlocked(kvm: Kvm, cpu: Cpu, caches: SplitCaches): Steps<number> {
  return kvm.engine.topupSplitCaches(kvm, cpu, caches);
}

/** One of the three caches. Below its minimum each is an allocation of its own that may fail half way. */
function topupSplitCache(
  kvm: Kvm,
  cpu: Cpu,
  cache: number,
  pool: Pool,
  min: number,
  capacity: number,
): boolean {
  const count = cacheCount(kvm, cache);
  if (count >= min) return true;
  return cacheTopup(kvm, cache, pool, min, capacity, splitCacheAllowance(kvm, cpu, capacity - count));
}

/** D2: split caches belong to the holder of slots_lock, or to the shards that act for it. */
export function assertSplitCacheOwner(kvm: Kvm, cpu: Cpu): void {
  if ((cpu.held & HELD_SLOTS) !== 0) return;
  if (kvm.config.shards > 1 && kvm.w[kvm.slotsLock.state] !== 0) return;
  kvm.observer.broken(cpu, {
    id: 'D2',
    text: `${cpu.name} touched split caches without slots_lock`,
    words: [],
  });
}

/** 3.4: a success or a dropped lock invalidates the list; any other failure leaves the head. */
export function afterAttempt(result: number): AfterAttempt {
  return result === 0 || result === EAGAIN ? 'restart' : 'leave';
}

export function splitChildRole(kvm: Kvm, parentRole: number, access: number): number {
  return kvm.engine.childRole(parentRole, true, access);
}

/** The identity of the child of a huge SPTE (3.8 steps 1 and 2). */
export function splitChildIdentity(
  kvm: Kvm,
  hugeSptep: number,
): { readonly gfn: number; readonly role: number } {
  const parent = sptepToSp(kvm, hugeSptep);
  const index = spteIndex(kvm, hugeSptep);
  const role = kvm.engine.splitChildRole(kvm, spRole(kvm, parent), pageGetAccess(kvm, parent, index));
  return { gfn: pageGetGfn(kvm, parent, index), role };
}

/** shadow_mmu_get_sp_for_split() (3.8). */
export function getSpForSplit(pass: SplitPass, hugeSptep: number): number {
  const { kvm, cpu, caches } = pass;
  const { gfn, role } = splitChildIdentity(kvm, hugeSptep);
  const visit =
    roleLevel(role) > 1
      ? (sp: number): void => {
          if ((spFlags(kvm, sp) & SP_UNSYNC) !== 0) pass.unsyncHits.push(sp);
        }
      : undefined;
  const found = findShadowPage(kvm, gfn, role, visit);
  pass.childReused = found !== 0;
  if (found !== 0) {
    cpu.count(C.spReused);
    kvm.observer.getPage(cpu, found, false);
    return found;
  }
  assertSplitCacheOwner(kvm, cpu);
  const sp = cachePop(kvm, caches.header, 'split_page_header');
  const table = cachePop(kvm, caches.table, 'split_shadow_page');
  initShadowPage(kvm, cpu, sp, table, 0, gfn, role);
  cpu.count(C.spNew);
  kvm.observer.getPage(cpu, sp, true);
  return sp;
}

/** What the loop of shadow_mmu_split_huge_page() is about: the entries of a child, their rmap heads, the value of the first. */
interface Filling {
  readonly level: number;
  readonly sptep: number;
  readonly head: number;
  readonly step: number;
  readonly lo: number;
  readonly hi: number;
}

function beginFilling({ kvm, cpu, slot, hugeLo, hugeHi }: SplitPass, sp: number): Filling {
  const role = spRole(kvm, sp);
  const level = roleLevel(role);
  kvm.engine.makeHugePageSplitSpte(kvm, cpu, hugeLo, hugeHi, level, roleAccess(role));
  const { lo, hi } = cpu;
  const sptep = kvm.tablesQ + (spTable(kvm, sp) << kvm.tableBits);
  return { level, sptep, head: slot.rmapWord(spGfn(kvm, sp), level), step: kvm.pages(level) << 12, lo, hi };
}

/** The loop (3.7 step 2), plain over two 32-bit words per entry: a new table cannot be seen by anybody. */
export function fillSplitChild(pass: SplitPass, sp: number, from: number): number {
  const { kvm } = pass;
  const { entries } = kvm;
  const filling = beginFilling(pass, sp);
  const { level, sptep, head, step, lo, hi } = filling;
  kvm.arena.touchRange(sptep * 2, entries * 2);
  kvm.arena.touchRange(head, entries);
  const run = kvm.fillEmpty((sptep + from) * 2, head + from, head + entries, lo, hi, from * step, step);
  updatePageStats(kvm, level, run);
  if (from + run === entries) return entries;
  return fillRest(pass, filling, from + run);
}

/** The rest of the loop, from an entry on that is present or whose rmap head is not empty. */
function fillRest(pass: SplitPass, { level, sptep, head, step, lo, hi }: Filling, from: number): number {
  const { kvm, cpu, caches } = pass;
  const { w, entries } = kvm;
  let filled = 0;
  let i = from;
  for (; i < entries; i++) {
    const word = (sptep + i) * 2;
    const present = w[word]!;
    if (isShadowPresent(present)) {
      if (level > 1 && !isLarge(present)) pass.childHasTables = true;
      continue;
    }
    w[word] = lo | (i * step);
    w[word + 1] = hi;
    filled++;
    if (mustRecycle(kvm, cpu, pteListAdd(kvm, caches.desc, sptep + i, head + i))) break;
  }
  updatePageStats(kvm, level, filled);
  return i;
}

/**
 * The loop for a child that was there before: others may have linked it, and then vCPUs walk through it. What is present stays;
 * each hole is filled by a store of its own (mmu_spte_set()), which they see at once.
 */
export function* fillReusedChild(pass: SplitPass, sp: number, from: number): Steps<number> {
  const { kvm, cpu, caches } = pass;
  const { entries } = kvm;
  const { level, sptep, head, step, lo, hi } = beginFilling(pass, sp);
  let filled = 0;
  let i = from;
  for (; i < entries; i++) {
    const present = heldLo(kvm, sptep + i);
    if (isShadowPresent(present)) {
      if (level > 1 && !isLarge(present)) pass.childHasTables = true;
      continue;
    }
    if (cpu.stepped && cpu.stops(Op.Store64, (sptep + i) * 2)) yield;
    cpu.store64(sptep + i, lo | (i * step), hi);
    filled++;
    if (mustRecycle(kvm, cpu, pteListAdd(kvm, caches.desc, sptep + i, head + i))) break;
  }
  updatePageStats(kvm, level, filled);
  return i;
}

/** P1: only if the reused child may be partly unmapped below (0378739401cf). */
export const splitNeedsFlush = (pass: SplitPass): boolean => pass.childHasTables;

export const splitFlushGfn = (_kvm: Kvm, _hugeSptep: number, gfn: number): number => gfn;

/** 3.10 steps 3 and 4. */
export function linkSplitChild(pass: SplitPass, hugeSptep: number, sp: number): void {
  const { kvm, cpu, caches } = pass;
  kvm.assertMmuWrite(cpu, 'an SPTE');
  makeNonleafSpte(kvm, cpu, spTable(kvm, sp), roleAdDisabled(spRole(kvm, sp)));
  cpu.store64(hugeSptep, cpu.lo, cpu.hi);
  pteListAdd(kvm, caches.desc, hugeSptep, parentPtesWord(kvm, sp));
}

/** Nothing is left to do once the child is linked. */
export const splitLinked = (_pass: SplitPass, _sp: number): undefined => undefined;

/** Huge leaf at a level above 4K: what the handler expects to find in a head. */
export const isHugeSpte = (lo: number): boolean => isShadowPresent(lo) && (lo & SPTE_PS) !== 0;
