/**
 * tdp_iter: a pre-order walk of one root of the TDP MMU (kernel-facts 4.2).
 *
 *     for (yield* iter.start(cpu); iter.valid && iter.gfn < end; yield* iter.next(cpu)) { ... }
 *
 * The entry at hand is `sptep` with the value (lo, hi) as it was loaded; another thread that shares `mmu_lock`, the fast
 * path and hardware may have changed it since. After a yield everything the walk has seen is stale: `next` starts over from
 * the root, at the gfn the walk had come to.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KernelBug } from '../bug.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { isLarge, isShadowPresent } from '../format.ts';
import type { Kvm } from '../kvm.ts';
import type { FlushReason } from '../observer.ts';
import { letWaitersIn, rwlockNeedbreak, yieldMmuLock } from '../resched.ts';
import { roleLevel } from '../role.ts';
import { spRole, spTable } from '../shadow-page.ts';
import { spteTable } from '../spte.ts';
import { walkIndex } from '../shadow/walk-addr.ts';
import { rcuReadLock, rcuReadUnlock } from './rcu.ts';

/** No memslot is above. */
const MAX_GFN = 0x7fffffff;

export class TdpIter {
  readonly kvm: Kvm;
  /** The root's shadow page. */
  readonly root: number;
  readonly rootLevel: number;
  readonly minLevel: number;
  /** The next gfn of the lowest level that the walk has not passed, and where it stood at its last yield. */
  nextLastLevelGfn: number;
  yieldedGfn: number;
  /** First gfn that the entry at hand maps. */
  gfn = 0;
  level = 0;
  sptep = 0;
  lo = 0;
  hi = 0;
  valid = false;
  /** The lock was dropped: nothing else of the iterator may be used before `next`. */
  yielded = false;
  /** By level: the table and the page that owned it when the walk came in. */
  private readonly tables: number[] = [0, 0, 0, 0, 0, 0];
  private readonly owners: number[] = [0, 0, 0, 0, 0, 0];

  /** Entries below `minLevel` are not visited; `startGfn` is the first gfn of interest. */
  constructor(kvm: Kvm, root: number, minLevel: number, startGfn: number) {
    this.kvm = kvm;
    this.root = root;
    this.rootLevel = roleLevel(spRole(kvm, root));
    this.minLevel = minLevel;
    this.nextLastLevelGfn = startGfn;
    this.yieldedGfn = startGfn;
  }

  /** Shadow page that holds the entry at hand. */
  get sp(): number {
    return this.owners[this.level]!;
  }

  /** tdp_iter_start(); the caller is in an RCU read section. */
  start(cpu: Cpu): Steps<void> {
    this.tables[this.rootLevel] = spTable(this.kvm, this.root);
    this.owners[this.rootLevel] = this.root;
    return this.restart(cpu);
  }

  /** tdp_iter_restart(). */
  *restart(cpu: Cpu): Steps<void> {
    this.yielded = false;
    this.yieldedGfn = this.nextLastLevelGfn;
    this.level = this.rootLevel;
    this.refreshSptep();
    if (cpu.stepped && cpu.stops(Op.Load64, this.sptep * 2)) yield;
    this.take(cpu);
    this.valid = true;
  }

  /** tdp_iter_next(). */
  *next(cpu: Cpu): Steps<void> {
    if (this.yielded) {
      yield* this.restart(cpu);
      return;
    }
    if (this.level !== this.minLevel) {
      // The entry may have become a table, or lost one, since it was looked at.
      if (cpu.stepped && cpu.stops(Op.Load64, this.sptep * 2)) yield;
      this.take(cpu);
    }
    if (!this.tryStepDown(cpu)) {
      while (!this.tryStepSide()) {
        if (!this.tryStepUp()) {
          this.valid = false;
          return;
        }
        if (cpu.stepped && cpu.stops(Op.Load64, this.sptep * 2)) yield;
        this.take(cpu);
      }
    }
    if (cpu.stepped && cpu.stops(Op.Load64, this.sptep * 2)) yield;
    this.take(cpu);
  }

  /** Loads the entry at hand again. */
  *reload(cpu: Cpu): Steps<void> {
    if (cpu.stepped && cpu.stops(Op.Load64, this.sptep * 2)) yield;
    this.take(cpu);
  }

  /** The load of the entry at hand, which was announced. */
  private take(cpu: Cpu): void {
    cpu.load64(this.sptep);
    this.lo = cpu.lo;
    this.hi = cpu.hi;
    const table = this.tables[this.level]!;
    if (this.kvm.w[this.kvm.tableOwner + table] !== this.owners[this.level]) this.readFreed(cpu, table);
  }

  private readFreed(cpu: Cpu, table: number): never {
    throw new KernelBug(
      'D25',
      `${cpu.name} read an entry of table ${table} at gfn ${this.gfn}, level ${this.level}, inside its RCU read section, and the table was freed`,
      [this.sptep * 2],
    );
  }

  /** tdp_iter_refresh_sptep() of the present level, up to the load; the gfn is rounded to that level. */
  private refreshSptep(): void {
    const { kvm, level } = this;
    this.gfn = this.nextLastLevelGfn & ~(kvm.pages(level) - 1);
    this.sptep = kvm.tablesQ + (this.tables[level]! << kvm.tableBits) + walkIndex(kvm, this.gfn, level);
  }

  /** Each of these moves to an entry, which the caller loads then; false if there is none. */
  private tryStepDown(cpu: Cpu): boolean {
    const { kvm } = this;
    if (this.level === this.minLevel || !isShadowPresent(this.lo) || isLarge(this.lo)) return false;
    const table = spteTable(kvm, this.lo, this.hi);
    const owner = kvm.w[kvm.tableOwner + table]!;
    if (owner === 0) this.readFreed(cpu, table);
    this.level--;
    this.tables[this.level] = table;
    this.owners[this.level] = owner;
    this.refreshSptep();
    return true;
  }

  private tryStepSide(): boolean {
    const { kvm } = this;
    if (walkIndex(kvm, this.gfn, this.level) === kvm.entries - 1) return false;
    // tdp_mmu_max_gfn_exclusive(): a gfn of the model is a positive 32-bit number, which four levels exceed.
    if (this.gfn > MAX_GFN - kvm.pages(this.level)) return false;
    this.gfn += kvm.pages(this.level);
    this.nextLastLevelGfn = this.gfn;
    this.sptep++;
    return true;
  }

  private tryStepUp(): boolean {
    if (this.level === this.rootLevel) return false;
    this.level++;
    this.refreshSptep();
    return true;
  }
}

/** Default of `Engine.tdpIterAfterYield`: `next` starts over and does not advance (3a0f64de479c, B-29). */
export function* tdpIterAfterYield(iter: TdpIter, _cpu: Cpu): Steps<void> {
  iter.yielded = true;
}

/**
 * tdp_mmu_iter_cond_resched(): gives mmu_lock up if somebody wants it or the processor, but only after the walk has come
 * to a new gfn since the last time.
 * @param flush the walk has changed something that TLBs may still have; flushed first (D20)
 * @param shared mmu_lock is held for read
 * @returns true if the lock was dropped: the flush is done, and the caller goes on with `next`
 */
export function* tdpMmuIterCondResched(
  kvm: Kvm,
  cpu: Cpu,
  iter: TdpIter,
  flush: boolean,
  shared: boolean,
  reason: FlushReason = 'tdp',
): Steps<boolean> {
  if (iter.nextLastLevelGfn === iter.yieldedGfn) return false;
  if (kvm.needbreakVisible && cpu.stepped && cpu.stops(Op.Load, kvm.mmuLock.waitLock)) yield;
  const contended = rwlockNeedbreak(kvm, cpu);
  if (!kvm.engine.walkerNeedsResched(kvm, cpu, flush, iter.gfn, iter.level) && !contended) return false;
  cpu.count(C.tdpYields);
  if (kvm.engine.tdpFlushBeforeYield(flush)) yield* flushRemoteTlbs(kvm, cpu, reason);
  yield* rcuReadUnlock(kvm, cpu);
  yield* yieldTdpLock(kvm, cpu, shared);
  yield* rcuReadLock(kvm, cpu);
  yield* kvm.engine.tdpIterAfterYield(iter, cpu);
  return true;
}

/** cond_resched_rwlock_read() or _write(): drops mmu_lock and takes it again the same way. */
export function* yieldTdpLock(kvm: Kvm, cpu: Cpu, shared: boolean): Steps<void> {
  if (!shared) {
    yield* yieldMmuLock(kvm, cpu);
    return;
  }
  yield* kvm.readUnlock(cpu);
  letWaitersIn(kvm, cpu);
  yield* kvm.readLock(cpu);
}
