/**
 * RCU for the page tables of the TDP MMU (kernel-facts 1.4, D25): who walks them without `mmu_lock`, or shares it with
 * those who zap, does so in a read section; a table that was unlinked is freed once every section that could have seen it
 * has ended.
 *
 * Each actor has a word: 0 outside, the epoch it began in plus 1 inside. A table is queued with the epoch of that moment,
 * which then moves on; a section that began in a later epoch began after the table was unlinked.
 */
import { type Cpu, HELD_RCU, HELD_TDP_PAGES } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { type SpinLock, spinLock, spinUnlock } from '../../locks/spinlock.ts';
import { CACHE_OBJECTS } from '../config.ts';
import { KVM, type Kvm } from '../kvm.ts';
import { SP, spPut, spTable } from '../shadow-page.ts';

/** Header fields of a queued page: it is in no hash and has no generation. */
const RCU_NEXT = SP.hashNext;
const RCU_EPOCH = SP.validGen;

/** tdp_mmu_pages_lock: the list of roots, the list of nx-disallowed pages under a shared mmu_lock, and the RCU queue. */
export const tdpPagesLock = (kvm: Kvm): SpinLock => ({
  word: kvm.base + KVM.tdpPagesLock,
  held: HELD_TDP_PAGES,
  name: 'tdp_mmu_pages_lock',
});

const readerWord = (kvm: Kvm, actor: number): number => kvm.layout.rcu + actor;

/** rcu_read_lock(). Sections do not nest here. */
export function* rcuReadLock(kvm: Kvm, cpu: Cpu): Steps<void> {
  if ((cpu.held & HELD_RCU) !== 0) throw new Error(`${cpu.name} nests RCU read sections`);
  const epoch = kvm.base + KVM.rcuEpoch;
  const word = readerWord(kvm, cpu.actor);
  if (cpu.stepped && cpu.stops(Op.Load, epoch)) yield;
  const now = cpu.load(epoch);
  if (cpu.stepped && cpu.stops(Op.Store, word)) yield;
  cpu.store(word, now + 1);
  cpu.held |= HELD_RCU;
}

/** rcu_read_unlock(). */
export function* rcuReadUnlock(kvm: Kvm, cpu: Cpu): Steps<void> {
  const word = readerWord(kvm, cpu.actor);
  cpu.held &= ~HELD_RCU;
  if (cpu.stepped && cpu.stops(Op.Store, word)) yield;
  cpu.store(word, 0);
  cpu.notify(word);
}

/** Default of `Engine.callRcu`: the page is freed after a grace period. */
export function* callRcu(kvm: Kvm, cpu: Cpu, sp: number): Steps<void> {
  const epoch = kvm.base + KVM.rcuEpoch;
  const list = kvm.base + KVM.rcuList;
  yield* spinLock(cpu, tdpPagesLock(kvm), kvm.observer);
  // Only holders of the lock write these two words, so they may be read as they are.
  const now = kvm.w[epoch]!;
  spPut(kvm, sp, RCU_EPOCH, now);
  spPut(kvm, sp, RCU_NEXT, kvm.w[list]!);
  kvm.put(KVM.rcuPending, kvm.get(KVM.rcuPending) + 1);
  if (cpu.stepped && cpu.stops(Op.Store, list)) yield;
  cpu.store(list, sp);
  if (cpu.stepped && cpu.stops(Op.Store, epoch)) yield;
  cpu.store(epoch, now + 1);
  yield* spinUnlock(cpu, tdpPagesLock(kvm), kvm.observer);
  cpu.count(C.rcuQueued);
}

/** tdp_mmu_free_sp_rcu_callback(): header and table go back to the pools. */
export function rcuFree(kvm: Kvm, cpu: Cpu, sp: number): void {
  const table = spTable(kvm, sp);
  kvm.observer.rcuFreed(cpu, sp);
  kvm.observer.pageFreed(cpu, sp);
  kvm.arena.put(kvm.tableOwner + table, 0);
  kvm.tablePool.free(table);
  kvm.headerPool.free(sp);
  cpu.count(C.rcuFreed);
}

/**
 * The callbacks whose grace period is over. Called outside of read sections and of `mmu_lock`, where the kernel's
 * softirq would come in.
 */
export function* rcuDrain(kvm: Kvm, cpu: Cpu): Steps<void> {
  const list = kvm.base + KVM.rcuList;
  if (cpu.stepped && cpu.stops(Op.Load, list)) yield;
  if (cpu.load(list) === 0) return;
  yield* spinLock(cpu, tdpPagesLock(kvm), kvm.observer);
  // Under the lock nothing is queued, so whoever is outside now cannot get at what is in the list.
  const oldest = yield* oldestReader(kvm, cpu);
  let kept = 0;
  let last = 0;
  for (let sp = kvm.w[list]!; sp !== 0;) {
    const next = kvm.w[kvm.header(sp) + RCU_NEXT]!;
    if (kvm.w[kvm.header(sp) + RCU_EPOCH]! < oldest) {
      kvm.put(KVM.rcuPending, kvm.get(KVM.rcuPending) - 1);
      rcuFree(kvm, cpu, sp);
    } else {
      if (last === 0) kept = sp;
      else spPut(kvm, last, RCU_NEXT, sp);
      last = sp;
    }
    sp = next;
  }
  if (last !== 0) spPut(kvm, last, RCU_NEXT, 0);
  if (cpu.stepped && cpu.stops(Op.Store, list)) yield;
  cpu.store(list, kept);
  yield* spinUnlock(cpu, tdpPagesLock(kvm), kvm.observer);
}

/** The epoch in which the oldest read section began, or a number above all if there is none. */
function* oldestReader(kvm: Kvm, cpu: Cpu): Steps<number> {
  let oldest = Number.MAX_SAFE_INTEGER;
  const { actors, vcpus } = kvm.layout.dims;
  for (let actor = 0; actor < Math.max(actors, vcpus); actor++) {
    const word = readerWord(kvm, actor);
    if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
    const value = cpu.load(word);
    if (value !== 0 && value - 1 < oldest) oldest = value - 1;
  }
  return oldest;
}

/** rcu_barrier(): returns when everything queued before was freed. */
export function* rcuBarrier(kvm: Kvm, cpu: Cpu): Steps<void> {
  const { actors, vcpus } = kvm.layout.dims;
  for (let actor = 0; actor < Math.max(actors, vcpus); actor++) {
    const word = readerWord(kvm, actor);
    if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
    const value = cpu.load(word);
    if (value === 0) continue;
    if (cpu.stepped && cpu.stops(Op.Wait, word, value)) yield;
    cpu.wait(word, value);
  }
  yield* rcuDrain(kvm, cpu);
}

/** Tables the pool must have in reserve; below, whoever is about to allocate waits for a grace period first. */
export const RCU_RESERVE = 128;

/** Before an allocation, with no lock held: gets queued tables back when the pool runs low. */
export function* rcuMakeRoom(kvm: Kvm, cpu: Cpu): Steps<void> {
  const { tablePool } = kvm;
  // What others have left is looked at only when one's own share does not suffice for a topup.
  if (tablePool.ownRoom >= CACHE_OBJECTS) return;
  if (tablePool.capacity - tablePool.live < RCU_RESERVE) yield* rcuBarrier(kvm, cpu);
}

/** Pages that wait for their grace period. */
export function rcuQueuedPages(kvm: Kvm): number[] {
  const pages: number[] = [];
  for (let sp = kvm.get(KVM.rcuList); sp !== 0; sp = kvm.w[kvm.header(sp) + RCU_NEXT]!) pages.push(sp);
  return pages;
}
