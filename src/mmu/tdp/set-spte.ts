/** The ways an entry of the TDP MMU changes (kernel-facts 4.3, 4.5, 5.4, D1, D5). */
import { type Cpu, HELD_MMU_READ } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { EBUSY } from '../errno.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { isLastSpte, isMmuWritable, isRemovedSpte, isWritable } from '../format.ts';
import type { Kvm } from '../kvm.ts';
import type { FlushReason } from '../observer.ts';
import { adEnabled, isAccessTrackSpte } from '../spte.ts';
import { handleChangedSpte } from './changed-spte.ts';
import type { TdpIter } from './iter.ts';

/** spte_has_volatile_bits(): hardware or the fast path may change the entry at any time (B-24). */
export function spteHasVolatileBits(kvm: Kvm, lo: number, hi: number): boolean {
  const f = kvm.format;
  if (!isWritable(lo) && isMmuWritable(f, lo, hi)) return true;
  if (isAccessTrackSpte(lo, hi)) return true;
  return adEnabled(hi) && ((lo & f.accessedLo) === 0 || (isWritable(lo) && (lo & f.dirtyLo) === 0));
}

/**
 * Default of `Engine.tdpWriteSpte`: kvm_tdp_mmu_write_spte(), with mmu_lock held for write. A leaf that hardware or the fast
 * path may be changing is exchanged (ba3a6120a4e7); anything else is stored. The old value is left in `cpu.lo/hi`.
 */
export function* tdpWriteSpte(
  kvm: Kvm,
  cpu: Cpu,
  sptep: number,
  oldLo: number,
  oldHi: number,
  lo: number,
  hi: number,
  level: number,
): Steps<void> {
  if (isLastSpte(oldLo, level) && spteHasVolatileBits(kvm, oldLo, oldHi)) {
    if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
    cpu.exchange64(sptep, lo, hi);
    return;
  }
  if (cpu.stepped && cpu.stops(Op.Store64, sptep * 2)) yield;
  cpu.store64(sptep, lo, hi);
  cpu.lo = oldLo;
  cpu.hi = oldHi;
}

/**
 * The same since 6.15: any leaf is exchanged, as aging may change it without mmu_lock, and then hardware again (D5).
 */
export function* tdpWriteLeafAtomic(
  kvm: Kvm,
  cpu: Cpu,
  sptep: number,
  oldLo: number,
  oldHi: number,
  lo: number,
  hi: number,
  level: number,
): Steps<void> {
  if (!isLastSpte(oldLo, level)) {
    yield* tdpWriteSpte(kvm, cpu, sptep, oldLo, oldHi, lo, hi, level);
    return;
  }
  if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
  cpu.exchange64(sptep, lo, hi);
}

/**
 * tdp_mmu_set_spte(): the entry of the iterator becomes (lo, hi). mmu_lock is held for write. The iterator is left with the
 * value that was replaced.
 */
export function* tdpMmuSetSpte(kvm: Kvm, cpu: Cpu, iter: TdpIter, lo: number, hi: number): Steps<void> {
  yield* tdpSetSptep(kvm, cpu, iter.sptep, iter.gfn, iter.level, iter.lo, iter.hi, lo, hi);
  iter.lo = cpu.lo;
  iter.hi = cpu.hi;
}

/** __tdp_mmu_set_spte(), for an entry that no iterator stands at. The value replaced is left in `cpu.lo/hi`. */
export function* tdpSetSptep(
  kvm: Kvm,
  cpu: Cpu,
  sptep: number,
  gfn: number,
  level: number,
  oldLo: number,
  oldHi: number,
  lo: number,
  hi: number,
): Steps<void> {
  kvm.assertMmuWrite(cpu, 'an SPTE of the TDP MMU without an atomic');
  if (isRemovedSpte(oldLo, oldHi) || isRemovedSpte(lo, hi)) {
    kvm.observer.broken(cpu, {
      id: 'Q37',
      text: `${cpu.name} met a frozen SPTE with mmu_lock held for write`,
      words: [sptep * 2],
    });
  }
  yield* kvm.engine.tdpWriteSpte(kvm, cpu, sptep, oldLo, oldHi, lo, hi, level);
  const wasLo = cpu.lo;
  const wasHi = cpu.hi;
  yield* handleChangedSpte(kvm, cpu, sptep, gfn, level, wasLo, wasHi, lo, hi, false);
  cpu.lo = wasLo;
  cpu.hi = wasHi;
}

/**
 * tdp_mmu_set_spte_atomic(): the entry becomes (lo, hi) if it still has the iterator's value. mmu_lock is held for read.
 * @returns 0, or -EBUSY: the iterator then has the fresh value
 */
export function* tdpMmuSetSpteAtomic(
  kvm: Kvm,
  cpu: Cpu,
  iter: TdpIter,
  lo: number,
  hi: number,
): Steps<number> {
  const { lo: oldLo, hi: oldHi } = iter;
  if (!(yield* tdpCompareExchange(kvm, cpu, iter, lo, hi))) return EBUSY;
  yield* handleChangedSpte(kvm, cpu, iter.sptep, iter.gfn, iter.level, oldLo, oldHi, lo, hi, true);
  return 0;
}

/** __tdp_mmu_set_spte_atomic(): the exchange alone. */
function* tdpCompareExchange(kvm: Kvm, cpu: Cpu, iter: TdpIter, lo: number, hi: number): Steps<boolean> {
  if ((cpu.held & HELD_MMU_READ) === 0) {
    kvm.observer.broken(cpu, {
      id: 'D1',
      text: `${cpu.name} changed an SPTE of the TDP MMU without mmu_lock held for read`,
      words: [iter.sptep * 2],
    });
  }
  if (iter.yielded) throw new Error(`${cpu.name} uses an iterator that has yielded`);
  if (isRemovedSpte(iter.lo, iter.hi)) {
    cpu.count(C.tdpFrozenRetries);
    return false;
  }
  if (cpu.stepped && cpu.stops(Op.CompareExchange64, iter.sptep * 2)) yield;
  if (cpu.compareExchange64(iter.sptep, iter.lo, iter.hi, lo, hi)) return true;
  iter.lo = cpu.lo;
  iter.hi = cpu.hi;
  if (isRemovedSpte(iter.lo, iter.hi)) cpu.count(C.tdpFrozenRetries);
  return false;
}

/**
 * tdp_mmu_zap_spte_atomic(): freezes the entry, flushes, and only then lets others install something (4.5).
 * @returns 0, or -EBUSY: the iterator then has the fresh value
 */
export function* tdpMmuZapSpteAtomic(
  kvm: Kvm,
  cpu: Cpu,
  iter: TdpIter,
  reason: FlushReason = 'tdp',
): Steps<number> {
  const { lo: oldLo, hi: oldHi, sptep, gfn, level } = iter;
  const late = kvm.engine.tdpProcessesZappedAfterFlush;
  const removed = kvm.engine.frozenSpteLo;
  if (!(yield* tdpCompareExchange(kvm, cpu, iter, removed, 0))) return EBUSY;
  if (!late) yield* handleChangedSpte(kvm, cpu, sptep, gfn, level, oldLo, oldHi, removed, 0, true);
  yield* flushRemoteTlbs(kvm, cpu, reason, gfn, kvm.engine.tdpFlushPages(kvm, level));
  if (cpu.stepped && cpu.stops(Op.Store64, sptep * 2)) yield;
  cpu.store64(sptep, 0, 0);
  cpu.notify(sptep * 2);
  if (late) yield* handleChangedSpte(kvm, cpu, sptep, gfn, level, oldLo, oldHi, 0, 0, true);
  cpu.count(C.tdpZapped);
  return 0;
}
