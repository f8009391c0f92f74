/** handle_changed_spte(): what follows from a change of an entry of the TDP MMU (kernel-facts 4.3 step 4, B-33, Q36, Q47). */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KernelBug } from '../bug.ts';
import { isLastSpte, isRemovedSpte, isShadowPresent, sptePfn } from '../format.ts';
import { KVM, type Kvm } from '../kvm.ts';
import { roleLevel } from '../role.ts';
import { spGfn, spRole, sptepOf } from '../shadow-page.ts';
import { spteChildSp } from '../spte.ts';
import { addStatistic, tdpMmuUnlinkSp } from './pages.ts';

/**
 * The entry at `sptep` has gone from the old value, as the atomic operation found it, to (lo, hi). A subtree that this has
 * cut off is taken apart and queued for RCU.
 * @param shared mmu_lock is held for read
 */
export function* handleChangedSpte(
  kvm: Kvm,
  cpu: Cpu,
  sptep: number,
  gfn: number,
  level: number,
  oldLo: number,
  oldHi: number,
  lo: number,
  hi: number,
  shared: boolean,
): Steps<void> {
  if (oldLo === lo && oldHi === hi) return;
  const wasPresent = isShadowPresent(oldLo);
  const isPresent = isShadowPresent(lo);
  const wasLeaf = isLastSpte(oldLo, level);
  const isLeaf = isLastSpte(lo, level);
  const pfnChanged = sptePfn(oldLo, oldHi) !== sptePfn(lo, hi);
  if (wasLeaf && isLeaf && pfnChanged) {
    throw new KernelBug(
      'Q24',
      `the TDP leaf of gfn ${gfn} at level ${level} went from frame ${sptePfn(oldLo, oldHi)} to ${sptePfn(lo, hi)} in place`,
      [sptep * 2],
    );
  }
  if (wasLeaf) kvm.engine.hostPageInherits(kvm, cpu, sptep, oldLo, oldHi, lo, hi);
  kvm.observer.tdpChanged(cpu, sptep, oldLo, oldHi, lo, hi);
  if (!wasPresent && !isPresent) return;
  const counted =
    Number(kvm.engine.tdpCountsAsLeaf(lo, level)) - Number(kvm.engine.tdpCountsAsLeaf(oldLo, level));
  if (counted !== 0) {
    addStatistic(kvm, KVM.pages + level - 1, counted);
    addStatistic(kvm, KVM.tdpLeaves + level - 1, counted);
  }
  if (wasPresent && !wasLeaf && (isLeaf || !isPresent || pfnChanged)) {
    yield* handleRemovedPt(kvm, cpu, spteChildSp(kvm, oldLo, oldHi), shared);
  }
}

/**
 * handle_removed_pt(): every entry of a page that was cut off is frozen, so that nobody who still stands in it installs
 * anything, and its subtrees follow.
 */
function* handleRemovedPt(kvm: Kvm, cpu: Cpu, sp: number, shared: boolean): Steps<void> {
  const level = roleLevel(spRole(kvm, sp));
  const baseGfn = spGfn(kvm, sp);
  kvm.observer.zapPage(cpu, sp);
  const { frozenSpteLo } = kvm.engine;
  yield* tdpMmuUnlinkSp(kvm, cpu, sp, shared);
  for (let index = 0; index < kvm.entries; index++) {
    const sptep = sptepOf(kvm, sp, index);
    if (shared) yield* freezeSpte(cpu, sptep, frozenSpteLo);
    else {
      if (cpu.stepped && cpu.stops(Op.Load64, sptep * 2)) yield;
      cpu.load64(sptep);
      if (!isShadowPresent(cpu.lo)) continue;
      yield* kvm.engine.tdpWriteSpte(kvm, cpu, sptep, cpu.lo, cpu.hi, frozenSpteLo, 0, level);
    }
    const gfn = baseGfn + index * kvm.pages(level);
    yield* handleChangedSpte(kvm, cpu, sptep, gfn, level, cpu.lo, cpu.hi, frozenSpteLo, 0, shared);
  }
  cpu.count(C.tdpZapped);
  yield* kvm.engine.callRcu(kvm, cpu, sp);
}

/** Exchanges until the old value is not frozen: whoever froze it stores 0 in the end. Left in `cpu.lo/hi`. */
function* freezeSpte(cpu: Cpu, sptep: number, frozen: number): Steps<void> {
  const word = sptep * 2;
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Exchange64, word)) yield;
    cpu.exchange64(sptep, frozen, 0);
    if (!isRemovedSpte(cpu.lo, cpu.hi)) return;
    if (cpu.stepped && cpu.stops(Op.Wait, word, frozen)) yield;
    cpu.wait(word, frozen);
  }
}
