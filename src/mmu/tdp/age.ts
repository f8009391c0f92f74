/** kvm_tdp_mmu_age_gfn_range() and kvm_tdp_mmu_test_age_gfn() (kernel-facts A12). */
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { PG_LEVEL_4K } from '../config.ts';
import { isLastSpte } from '../format.ts';
import { isAccessedSpte } from '../host-page.ts';
import { KVM, type Kvm } from '../kvm.ts';
import { roleInvalid } from '../role.ts';
import { SP } from '../shadow-page.ts';
import { adEnabled, markForAccessTrack } from '../spte.ts';
import { TdpIter } from './iter.ts';
import { rcuReadLock, rcuReadUnlock } from './rcu.ts';
import { tdpMmuNextRoot } from './roots.ts';
import { tdpMmuSetSpte } from './set-spte.ts';

/**
 * Ages the leaves that map gfns of [start, end), or only asks, in all roots; no notifier that ages may sleep, so it never
 * yields. mmu_lock is held for write.
 * @returns true if one was young
 */
export function* tdpAgeGfnRange(
  kvm: Kvm,
  cpu: Cpu,
  start: number,
  end: number,
  testOnly: boolean,
): Steps<boolean> {
  let young = false;
  for (
    let root = yield* tdpMmuNextRoot(kvm, cpu, 0, false);
    root !== 0;
    root = yield* tdpMmuNextRoot(kvm, cpu, root, false)
  ) {
    if (young && testOnly) continue;
    yield* rcuReadLock(kvm, cpu);
    const iter = new TdpIter(kvm, root, PG_LEVEL_4K, start);
    for (yield* iter.start(cpu); iter.valid && iter.gfn < end; yield* iter.next(cpu)) {
      if (!isLastSpte(iter.lo, iter.level) || !isAccessedSpte(kvm.format, iter.lo, iter.hi)) continue;
      young = true;
      if (testOnly) break;
      agedValue(kvm, cpu, iter);
      yield* tdpMmuSetSpte(kvm, cpu, iter, cpu.lo, cpu.hi);
    }
    yield* rcuReadUnlock(kvm, cpu);
  }
  return young;
}

/**
 * The same since 6.15 (bb6c7749ccee): in valid roots, without mmu_lock, inside one RCU section that keeps roots and tables
 * alive. A is cleared by an atomic AND of that bit, whatever has become of the entry since it was read: a frozen entry must not look otherwise
 * without A (FROZEN_SPTE_LO);
 * access tracking goes in by a compare-and-exchange, and an
 * entry that has changed meanwhile is most likely young.
 */
export function* tdpAgeGfnRangeLockless(
  kvm: Kvm,
  cpu: Cpu,
  start: number,
  end: number,
  testOnly: boolean,
): Steps<boolean> {
  let young = false;
  yield* rcuReadLock(kvm, cpu);
  let at = kvm.base + KVM.tdpRoots;
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, at)) yield;
    const root = cpu.load(at);
    if (root === 0) break;
    at = kvm.header(root) + SP.linkNext;
    const role = kvm.header(root) + SP.role;
    if (cpu.stepped && cpu.stops(Op.Load, role)) yield;
    if (roleInvalid(cpu.load(role))) continue;
    const iter = new TdpIter(kvm, root, PG_LEVEL_4K, start);
    for (yield* iter.start(cpu); iter.valid && iter.gfn < end; yield* iter.next(cpu)) {
      if (!isLastSpte(iter.lo, iter.level) || !isAccessedSpte(kvm.format, iter.lo, iter.hi)) continue;
      young = true;
      if (testOnly) break;
      yield* ageLockless(kvm, cpu, iter);
    }
    if (young && testOnly) break;
  }
  yield* rcuReadUnlock(kvm, cpu);
  return young;
}

/** kvm_tdp_mmu_age_spte(). */
function* ageLockless(kvm: Kvm, cpu: Cpu, iter: TdpIter): Steps<void> {
  const { lo, hi, sptep } = iter;
  const word = sptep * 2;
  if (adEnabled(hi)) {
    if (cpu.stepped && cpu.stops(Op.And, word)) yield;
    cpu.and(word, ~kvm.format.accessedLo);
    return;
  }
  agedValue(kvm, cpu, iter);
  const { lo: newLo, hi: newHi } = cpu;
  if (cpu.stepped && cpu.stops(Op.CompareExchange64, word)) yield;
  if (!cpu.compareExchange64(sptep, lo, hi, newLo, newHi)) return;
  kvm.engine.hostPageInherits(kvm, cpu, sptep, lo, hi, newLo, newHi);
  kvm.observer.tdpChanged(cpu, sptep, lo, hi, newLo, newHi);
}

/** age_gfn_range(): A goes, or all permissions where there is no A. The value is left in `cpu.lo/hi`. */
function agedValue(kvm: Kvm, cpu: Cpu, iter: TdpIter): void {
  cpu.lo = iter.lo;
  cpu.hi = iter.hi;
  if (adEnabled(iter.hi)) cpu.lo &= ~kvm.format.accessedLo;
  else markForAccessTrack(kvm, cpu);
}
