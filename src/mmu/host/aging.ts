/**
 * Aging (kernel-facts A12): the host asks whether a guest has used a page since it asked last.
 *
 * Hardware with A bits says so in the entry. Without them an entry is asked for its permissions instead: aging saves R and
 * X in it and takes all three away, W included, so that the next access faults and gives them back (access tracking,
 * kernel-facts 2.6). W goes with a flush that may never come (5.6, B-03, H-C): MMU-writable stays and tells.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../config.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { isAccessedSpte, isDirtySpte } from '../host-page.ts';
import type { Kvm } from '../kvm.ts';
import { MEMSLOT_GONE, type MemSlot } from '../memslot.ts';
import { RmapIterator } from '../pte-list.ts';
import { adEnabled, markForAccessTrack } from '../spte.ts';
import { tdpAgeGfnRange } from '../tdp/age.ts';
import { hasTdpRoots } from '../tdp/present.ts';
import type { HostRange } from './range.ts';

/** kvm_mmu_notifier_clear_flush_young(): ages, and flushes if anything was young, so that the answer stays true. */
export function* clearFlushYoung(kvm: Kvm, cpu: Cpu, range: HostRange): Steps<boolean> {
  return yield* age(kvm, cpu, range, false, true);
}

/** kvm_mmu_notifier_clear_young(): ages without a flush; a page used through a TLB entry looks old (5.6). */
export function* clearYoung(kvm: Kvm, cpu: Cpu, range: HostRange): Steps<boolean> {
  return yield* age(kvm, cpu, range, false, false);
}

/** kvm_mmu_notifier_test_young(): only asks. */
export function* testYoung(kvm: Kvm, cpu: Cpu, range: HostRange): Steps<boolean> {
  return yield* age(kvm, cpu, range, true, false);
}

function* age(kvm: Kvm, cpu: Cpu, range: HostRange, testOnly: boolean, flush: boolean): Steps<boolean> {
  let young = false;
  for (const { slot, start, end } of range.parts) {
    if (cpu.stepped && cpu.stops(Op.Load, slot.flagsWord)) yield;
    if ((cpu.load(slot.flagsWord) & MEMSLOT_GONE) !== 0) continue;
    if (yield* kvm.engine.ageGfnRange(kvm, cpu, slot, start, end, testOnly, flush)) young = true;
  }
  if (young && !testOnly) cpu.count(C.pagesAged);
  return young;
}

/** Default of `Engine.ageGfnRange`: all of it under mmu_lock for write (6.1). */
export function* ageGfnRange(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  start: number,
  end: number,
  testOnly: boolean,
  flush: boolean,
): Steps<boolean> {
  let young = false;
  yield* kvm.writeLock(cpu);
  for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
    const last = slot.rmapWord(end - 1, level);
    for (let head = slot.rmapWord(start, level); head <= last; head++) {
      if (kvm.w[head] !== 0 && (yield* ageRmap(kvm, cpu, head, testOnly))) young = true;
    }
  }
  if (hasTdpRoots(kvm) && (yield* tdpAgeGfnRange(kvm, cpu, start, end, testOnly))) young = true;
  if (young && flush) yield* flushRemoteTlbs(kvm, cpu, 'age', start, end - start);
  yield* kvm.writeUnlock(cpu);
  return young;
}

/** kvm_age_rmap() and kvm_test_age_rmap(). The head does not change meanwhile. */
export function* ageRmap(kvm: Kvm, cpu: Cpu, head: number, testOnly: boolean): Steps<boolean> {
  const iterator = new RmapIterator();
  let young = false;
  for (let sptep = iterator.first(kvm, head, cpu.mmuReleases); sptep !== 0; sptep = iterator.next(kvm)) {
    if (yield* ageSpte(kvm, cpu, sptep, testOnly)) {
      young = true;
      if (testOnly) break;
    }
  }
  return young;
}

/** mmu_spte_age(): true if the entry was young. */
export function* ageSpte(kvm: Kvm, cpu: Cpu, sptep: number, testOnly: boolean): Steps<boolean> {
  const f = kvm.format;
  const word = sptep * 2;
  if (cpu.stepped && cpu.stops(Op.Load64, word)) yield;
  cpu.load64(sptep);
  const { lo, hi } = cpu;
  if (!isAccessedSpte(f, lo, hi)) return false;
  if (testOnly) return true;
  if (!adEnabled(hi)) return yield* kvm.engine.markForAccessTracking(kvm, cpu, sptep, lo, hi);
  // clear_bit(): what hardware does to the rest of the entry meanwhile stays.
  if (cpu.stepped && cpu.stops(Op.And, word)) yield;
  cpu.and(word, ~f.accessedLo);
  return true;
}

/** Default of `Engine.markForAccessTracking`: mmu_lock is held for write, so that nobody else changes the entry. */
export function* markForAccessTracking(
  kvm: Kvm,
  cpu: Cpu,
  sptep: number,
  lo: number,
  hi: number,
): Steps<boolean> {
  cpu.lo = lo;
  cpu.hi = hi;
  markForAccessTrack(kvm, cpu);
  const tracked = { lo: cpu.lo, hi: cpu.hi };
  if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
  cpu.exchange64(sptep, tracked.lo, tracked.hi);
  inheritDirty(kvm, cpu, sptep, tracked.lo, tracked.hi);
  return true;
}

/** W said that the page may be dirty; it will not say so any more (Q47). `cpu.lo/hi` is the old value. */
export function inheritDirty(kvm: Kvm, cpu: Cpu, sptep: number, lo: number, hi: number): void {
  const oldLo = cpu.lo;
  const oldHi = cpu.hi;
  if (isDirtySpte(kvm.format, oldLo, oldHi)) {
    kvm.observer.hostPageInherits(cpu, sptep, oldLo, oldHi, true);
  }
  kvm.observer.spteChanged(cpu, sptep, oldLo, oldHi, lo, hi);
}
