/**
 * Aging without mmu_lock (6.15: 4834eaded91e, bb6c7749ccee, af3b6a9eba48, 61d65f2dc766; kernel-facts 3.13, A12): reverse
 * maps are walked under the lock of each head, while somebody else zaps, faults or splits under mmu_lock. An entry may
 * change under the eyes of the walker, so it is aged by an operation that tells.
 *
 * The TDP MMU's leaves are aged inside RCU alone.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../config.ts';
import { flushRemoteTlbs } from '../flush.ts';
import type { Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import { rmapLock, rmapUnlock } from '../rmap-lock.ts';
import { markForAccessTrack } from '../spte.ts';
import { tdpAgeGfnRangeLockless } from '../tdp/age.ts';
import { hasTdpRoots } from '../tdp/present.ts';
import { ageRmap, inheritDirty } from './aging.ts';

/** `Engine.ageGfnRange` of 6.15. */
export function* ageGfnRangeLockless(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  start: number,
  end: number,
  testOnly: boolean,
  flush: boolean,
): Steps<boolean> {
  let young = false;
  if (hasTdpRoots(kvm)) {
    young = yield* tdpAgeGfnRangeLockless(kvm, cpu, start, end, testOnly);
  }
  for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
    const last = slot.rmapWord(end - 1, level);
    for (let head = slot.rmapWord(start, level); head <= last; head++) {
      // kvm_rmap_lock_readonly() passes over an empty head by one look at the word that is head and lock. Here the lock is another
      // word, and without it nothing says when a head that is being filled is seen.
      yield* rmapLock(kvm, cpu, head);
      if (yield* ageRmap(kvm, cpu, head, testOnly)) young = true;
      yield* rmapUnlock(kvm, cpu, head);
    }
  }
  if (young && flush) yield* flushRemoteTlbs(kvm, cpu, 'age', start, end - start);
  return young;
}

/** `Engine.markForAccessTracking` of 6.15: an entry that has changed meanwhile was used, and stays as it is. */
export function* markForAccessTrackingAtomic(
  kvm: Kvm,
  cpu: Cpu,
  sptep: number,
  lo: number,
  hi: number,
): Steps<boolean> {
  cpu.lo = lo;
  cpu.hi = hi;
  markForAccessTrack(kvm, cpu);
  const { lo: newLo, hi: newHi } = cpu;
  if (cpu.stepped && cpu.stops(Op.CompareExchange64, sptep * 2)) yield;
  if (cpu.compareExchange64(sptep, lo, hi, newLo, newHi)) inheritDirty(kvm, cpu, sptep, newLo, newHi);
  return true;
}
