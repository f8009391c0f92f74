/** slot_handle_level_range(): a walk over the rmap heads of one level (kernel-facts 3.3). */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { flushRemoteTlbs } from '../flush.ts';
import type { Kvm } from '../kvm.ts';
import type { FlushReason } from '../observer.ts';
import type { MemSlot } from '../memslot.ts';
import { rwlockNeedbreak, yieldMmuLock } from '../resched.ts';

/** Handles one rmap head (its word); true if TLBs must be flushed. */
export type RmapHandler = (head: number) => Steps<boolean>;

/**
 * Where a walk is. The first head is visited even when it is empty, and even when the range is empty (3.3 step 1, B-01);
 * later empty heads are skipped without a look at the lock (step 4). The position survives dropped locks: heads belong
 * to the slot.
 */
export class RmapWalk {
  readonly kvm: Kvm;
  readonly start: number;
  readonly level: number;
  private readonly first: number;
  private readonly last: number;
  /** Word of the head to be handled. */
  head: number;
  /** The look before a yield found somebody queued. */
  contended = false;

  /** Visits the heads of [start, end) at `level`. */
  constructor(kvm: Kvm, slot: MemSlot, start: number, end: number, level: number) {
    this.kvm = kvm;
    this.start = start;
    this.level = level;
    this.first = slot.rmapWord(start, level);
    this.last = slot.rmapWord(Math.max(end - 1, start), level);
    this.head = this.first;
  }

  /** Moves to the next head that is not empty; false at the end. */
  next(): boolean {
    const { w } = this.kvm;
    const { last } = this;
    let head = this.head + 1;
    while (head <= last && w[head] === 0) head++;
    this.head = head;
    return head <= last;
  }

  /**
   * Step 3: should the lock be given up? The caller has announced a load of the queue word if `kvm.needbreakVisible`.
   * @param flushOwed a flush would come before the yield
   */
  wantsYield(cpu: Cpu, flushOwed: boolean): boolean {
    this.contended = rwlockNeedbreak(this.kvm, cpu);
    return (
      this.contended || this.kvm.engine.walkerNeedsResched(this.kvm, cpu, flushOwed, this.gfn, this.level)
    );
  }

  /** First gfn of the present head. */
  get gfn(): number {
    const shift = (this.level - 1) * this.kvm.tableBits;
    return ((this.start >>> shift) + this.head - this.first) << shift;
  }

  /** Pages from the start up to the first 4 KiB page of the present head: what KVM flushes before it yields (H-E). */
  get pagesBehind(): number {
    return (this.head - this.first) * this.kvm.pages(this.level) + 1;
  }
}

/** Gives the lock up between two heads; a flush that is owed comes first (D20). */
export function* yieldWalk(
  walk: RmapWalk,
  cpu: Cpu,
  flushOwed: boolean,
  reason: FlushReason = 'end-of-ioctl',
): Steps<void> {
  const { kvm } = walk;
  if (kvm.engine.rmapFlushBeforeYield(flushOwed)) {
    const pages = kvm.engine.walkYieldPages(kvm, walk.pagesBehind, walk.level);
    yield* flushRemoteTlbs(kvm, cpu, reason, walk.start, pages);
  }
  cpu.count(C.walkerYields);
  if (walk.contended) cpu.count(C.walkerYieldsContended);
  yield* yieldMmuLock(kvm, cpu);
}

/**
 * The walk with a handler of any kind.
 * @param owed the caller owes a flush from before, as from the walk over the level below
 * @param reason of the flush before a yield
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
  owed = false,
  reason: FlushReason = 'end-of-ioctl',
): Steps<boolean> {
  const walk = new RmapWalk(kvm, slot, start, end, level);
  let flush = owed;
  do {
    if (yield* handler(walk.head)) flush = true;
    if (kvm.needbreakVisible && cpu.stepped && cpu.stops(Op.Load, kvm.mmuLock.waitLock)) yield;
    if (walk.wantsYield(cpu, flush && flushOnYield)) {
      yield* yieldWalk(walk, cpu, flush && flushOnYield, reason);
      if (flushOnYield) flush = false;
    }
  } while (walk.next());
  return flush;
}
