/** The small locks inside and beside mmu_lock (kernel-facts 1.4): test-and-set over the futex. */
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';

/** One such lock: its word, the bit of `Cpu.held` that says who has it, and its name in reports. */
export interface SpinLock {
  readonly word: number;
  readonly held: number;
  readonly name: string;
}

/** Told about each lock as it is taken and dropped, for the order of locks (D21). */
export interface LockWatcher {
  lockOrder(cpu: Cpu, lock: string, taken: boolean): void;
}

/** spin_lock() or, for a lock whose holder may sleep, mutex_lock(). */
export function* spinLock(cpu: Cpu, lock: SpinLock, watcher: LockWatcher): Steps<void> {
  watcher.lockOrder(cpu, lock.name, true);
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Exchange, lock.word)) yield;
    if (cpu.exchange(lock.word, 1) === 0) break;
    if (cpu.stepped && cpu.stops(Op.Wait, lock.word, 1)) yield;
    cpu.wait(lock.word, 1);
  }
  cpu.held |= lock.held;
}

export function* spinUnlock(cpu: Cpu, lock: SpinLock, watcher: LockWatcher): Steps<void> {
  cpu.held &= ~lock.held;
  watcher.lockOrder(cpu, lock.name, false);
  if (cpu.stepped && cpu.stops(Op.Store, lock.word)) yield;
  cpu.store(lock.word, 0);
  cpu.notify(lock.word);
}
