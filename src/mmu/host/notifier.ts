/**
 * KVM's side of the MMU notifier (kernel-facts A9, A10, 5.4): the host is about to change where guest memory is.
 *
 * Start: whoever looks up a page of the range from now on must wait or try again, everything that maps it goes, and no
 * TLB knows it when start returns (D7). End: the count moves on, so that a fault that looked the page up in between
 * finds out under mmu_lock, and tries again.
 *
 * Start and end belong to host addresses; several slots may show the same ones (src/mmu/host/range.ts).
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../config.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { KVM, type Kvm } from '../kvm.ts';
import { MEMSLOT_GONE, type MemSlot } from '../memslot.ts';
import { zapRmap } from '../shadow/recycle.ts';
import { hasTdpRoots } from '../tdp/present.ts';
import { tdpUnmapGfnRange } from '../tdp/zap.ts';
import type { HostRange } from './range.ts';

/** Default of `Engine.recordInvalidateRange`: one range for all that run, grown to hold each. */
export function mmuInvalidateUnion(kvm: Kvm, start: number, end: number, others: number): void {
  kvm.put(KVM.invalidateStart, others === 0 ? start : Math.min(start, kvm.get(KVM.invalidateStart)));
  kvm.put(KVM.invalidateEnd, others === 0 ? end : Math.max(end, kvm.get(KVM.invalidateEnd)));
}

/**
 * kvm_mmu_invalidate_begin(): faults on gfns [start, end) fail until the end. `mmu_lock` is held for write. Who reads the range
 * holds the lock too; the count is read without it by change_pte().
 */
export function* mmuInvalidateBegin(kvm: Kvm, cpu: Cpu, start: number, end: number): Steps<void> {
  const inProgress = kvm.base + KVM.invalidateInProgress;
  if (cpu.stepped && cpu.stops(Op.Add, inProgress)) yield;
  const others = cpu.add(inProgress, 1);
  kvm.engine.recordInvalidateRange(kvm, start, end, others);
  kvm.observer.invalidate(cpu, start, end, 'begin');
}

/**
 * kvm_mmu_invalidate_end(): `mmu_lock` is held for write. First the sequence, then the count (10.4): who sees no
 * invalidation in progress sees that one was.
 */
export function* mmuInvalidateEnd(kvm: Kvm, cpu: Cpu, start: number, end: number): Steps<void> {
  const seq = kvm.base + KVM.invalidateSeq;
  const inProgress = kvm.base + KVM.invalidateInProgress;
  kvm.put(KVM.invalidatesEnded, kvm.get(KVM.invalidatesEnded) + 1);
  const next = (kvm.w[seq]! + 1) & seqMask(kvm);
  if (cpu.stepped && cpu.stops(Op.Store, seq)) yield;
  cpu.store(seq, next);
  if (cpu.stepped && cpu.stops(Op.Add, inProgress)) yield;
  cpu.add(inProgress, -1);
  kvm.observer.invalidate(cpu, start, end, 'end');
}

/** mmu_invalidate_seq has this many bits (B-39); 31 are as good as the kernel's 64. */
const seqMask = ({ config }: Kvm): number => (config.seqBits >= 31 ? 0x7fffffff : (1 << config.seqBits) - 1);

/**
 * Default of `Engine.invalidateRetry`: mmu_invalidate_retry_hva(). `mmu_lock` is held, for read at least. The count is
 * looked at first, the sequence second, as the end writes them in the opposite order.
 */
export function mmuInvalidateRetry(kvm: Kvm, gfn: number, seq: number): boolean {
  const inProgress = kvm.get(KVM.invalidateInProgress) !== 0;
  if (inProgress && gfn >= kvm.get(KVM.invalidateStart) && gfn < kvm.get(KVM.invalidateEnd)) return true;
  return kvm.engine.snapshotSeq(kvm, seq) !== kvm.get(KVM.invalidateSeq);
}

/**
 * Default of `Engine.unmapGfnRange`: the rmaps of all levels without a yield (6.1), then every root of the TDP MMU, the
 * invalid ones included (d62007edf01f), which may yield and then flushes first (B-21).
 */
export function* unmapGfnRange(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  start: number,
  end: number,
): Steps<boolean> {
  let flush = false;
  for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
    const last = slot.rmapWord(end - 1, level);
    for (let head = slot.rmapWord(start, level); head <= last; head++) {
      if (kvm.w[head] !== 0 && (yield* zapRmap(kvm, cpu, head))) flush = true;
    }
  }
  if (hasTdpRoots(kvm)) flush = yield* tdpUnmapGfnRange(kvm, cpu, start, end, flush);
  return flush;
}

/**
 * kvm_mmu_notifier_invalidate_range_start(). When it returns no vCPU can use what the range was mapped to, and none will
 * map it before the end. `unmaps` false is for change_pte's caller, which replaces what is there instead.
 */
export function* invalidateRangeStart(kvm: Kvm, cpu: Cpu, range: HostRange, unmaps = true): Steps<void> {
  const active = kvm.base + KVM.activeInvalidates;
  if (cpu.stepped && cpu.stops(Op.Add, active)) yield;
  cpu.add(active, 1);
  cpu.count(C.invalidations);
  yield* kvm.writeLock(cpu);
  yield* mmuInvalidateBegin(kvm, cpu, range.start, range.end);
  let owed = false;
  if (unmaps) {
    for (const { slot, start, end } of range.parts) {
      if (cpu.stepped && cpu.stops(Op.Load, slot.flagsWord)) yield;
      if ((cpu.load(slot.flagsWord) & MEMSLOT_GONE) !== 0) continue;
      if (yield* kvm.engine.unmapGfnRange(kvm, cpu, slot, start, end)) owed = true;
    }
  }
  if (kvm.engine.flushAfterUnmap(owed)) {
    yield* flushRemoteTlbs(kvm, cpu, 'notifier', range.start, range.end - range.start);
  }
  yield* kvm.writeUnlock(cpu);
  if (!unmaps) return;
  for (const { start, end } of range.parts) kvm.observer.invalidate(cpu, start, end, 'unmapped');
}

/** kvm_mmu_notifier_invalidate_range_end(): a memslot swap that waits for the last invalidation may go on. */
export function* invalidateRangeEnd(kvm: Kvm, cpu: Cpu, range: HostRange): Steps<void> {
  yield* kvm.writeLock(cpu);
  yield* mmuInvalidateEnd(kvm, cpu, range.start, range.end);
  yield* kvm.writeUnlock(cpu);
  const active = kvm.base + KVM.activeInvalidates;
  if (cpu.stepped && cpu.stops(Op.Add, active)) yield;
  cpu.add(active, -1);
  cpu.notify(active);
}
