/** slot_handle_level_range(): a walk over the rmap heads of one level (kernel-facts 3.3). */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { flushRemoteTlbs } from '../flush.ts';
import type { Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import { needResched, rwlockNeedbreak, yieldMmuLock } from '../resched.ts';

/** Handles one rmap head (its word); true if TLBs must be flushed. */
export type RmapHandler = (head: number) => Steps<boolean>;

/**
 * Visits the heads of [start, end) at `level`. The first head is visited even when it is empty, and even when the
 * range is empty (3.3 step 1, B-01); later empty heads are skipped without a look at the lock (step 4).
 * @returns true if a flush is owed
 */
export function* slotHandleLevel(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  start: number,
  end: number,
  level: number,
  handler: RmapHandler,
  flushOnYield: boolean,
): Steps<boolean> {
  const { w } = kvm;
  const last = slot.rmapWord(Math.max(end - 1, start), level);
  let flush = false;
  let head = slot.rmapWord(start, level);
  for (;;) {
    if (yield* handler(head)) flush = true;
    if (kvm.needbreakVisible && cpu.stepped) yield cpu.at(Op.Load, kvm.mmuLock.waitLock);
    const contended = rwlockNeedbreak(kvm, cpu);
    if (contended || needResched(kvm, cpu)) {
      if (flush && flushOnYield) {
        // As KVM has it, up to the first 4 KiB page of the last huge page only (H-E).
        yield* flushRemoteTlbs(
          kvm,
          cpu,
          'end-of-ioctl',
          start,
          (head - slot.rmapWord(start, level)) * kvm.pages(level) + 1,
        );
        flush = false;
      }
      cpu.count(C.walkerYields);
      if (contended) cpu.count(C.walkerYieldsContended);
      yield* yieldMmuLock(kvm, cpu);
    }
    do head++;
    while (head <= last && w[head] === 0);
    if (head > last) return flush;
  }
}
