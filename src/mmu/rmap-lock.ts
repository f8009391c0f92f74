/**
 * Locks of reverse maps, for kernels that walk them without mmu_lock (6.15: 9fb13ba6b5ff and others, kernel-facts 3.13).
 *
 * Who ages holds the lock of one head at a time and nothing else; who changes a head, under mmu_lock, takes the lock of
 * that head too, unless it is empty: there is nothing to walk, and nobody else adds to it. In the kernel the lock is bit 1
 * of the head; here that bit belongs to the sptep, so a few words serve all heads by their address.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { KVM, type Kvm } from './kvm.ts';

/** Words that serve as locks; a power of two. */
const RMAP_LOCKS = 4;

const lockWord = (kvm: Kvm, at: number): number => kvm.base + KVM.rmapLocks + (at & (RMAP_LOCKS - 1));

/** kvm_rmap_lock(). `head` is the word of the head, or any number less than RMAP_LOCKS. */
export function* rmapLock(kvm: Kvm, cpu: Cpu, head: number): Steps<void> {
  const word = lockWord(kvm, head);
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.CompareExchange, word)) yield;
    const holder = cpu.compareExchange(word, 0, cpu.actor + 1);
    if (holder === 0) return;
    if (cpu.stepped && cpu.stops(Op.Wait, word, holder)) yield;
    cpu.wait(word, holder);
  }
}

/** kvm_rmap_unlock(). */
export function* rmapUnlock(kvm: Kvm, cpu: Cpu, head: number): Steps<void> {
  const word = lockWord(kvm, head);
  if (cpu.stepped && cpu.stops(Op.Store, word)) yield;
  cpu.store(word, 0);
  cpu.notify(word);
}

/** The locks of all heads, for a split that fills a table; in order, and nobody else holds two. */
export function* lockAllRmaps(kvm: Kvm, cpu: Cpu): Steps<void> {
  for (let lock = 0; lock < RMAP_LOCKS; lock++) yield* rmapLock(kvm, cpu, lock);
}

export function* unlockAllRmaps(kvm: Kvm, cpu: Cpu): Steps<void> {
  for (let lock = 0; lock < RMAP_LOCKS; lock++) yield* rmapUnlock(kvm, cpu, lock);
}

/** Reports who changes a head that is not empty without its lock (D1). */
export function checkRmapLock(kvm: Kvm, cpu: Cpu, head: number): void {
  const word = lockWord(kvm, head);
  if (kvm.w[head] === 0 || kvm.w[word] === cpu.actor + 1) return;
  kvm.observer.broken(cpu, {
    id: 'D1',
    text: `${cpu.name} changes a reverse map that others walk without mmu_lock, and does not hold its lock`,
    words: [head, word],
  });
}
