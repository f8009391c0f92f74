/**
 * `slots_lock`: a futex mutex after Drepper, "Futexes Are Tricky" (mutex 2): 0 free, 1 taken, 2 taken and wanted.
 */
import { type Cpu, HELD_SLOTS } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { LOCK_SLOTS } from './probe.ts';

/** The word of a mutex. Who holds it is in `Cpu.held`. */
export interface MutexWords {
  readonly state: number;
  /** Told before the lock is taken and when it is dropped (D21). */
  readonly watch?: ((cpu: Cpu, taken: boolean) => void) | undefined;
}

/** mutex_lock(). */
export function* mutexLock(cpu: Cpu, lock: MutexWords): Steps<void> {
  lock.watch?.(cpu, true);
  if (cpu.stepped && cpu.stops(Op.CompareExchange, lock.state)) yield;
  let wait = 0;
  let contended = false;
  if (cpu.compareExchange(lock.state, 0, 1) !== 0) {
    contended = true;
    const since = cpu.now();
    for (;;) {
      if (cpu.stepped && cpu.stops(Op.Exchange, lock.state)) yield;
      if (cpu.exchange(lock.state, 2) === 0) break;
      if (cpu.stepped && cpu.stops(Op.Wait, lock.state, 2)) yield;
      cpu.wait(lock.state, 2);
    }
    wait = cpu.now() - since;
  }
  cpu.held |= HELD_SLOTS;
  if (cpu.probe !== undefined) {
    cpu.holdStart[LOCK_SLOTS] = cpu.now();
    cpu.probe.acquired(cpu, LOCK_SLOTS, true, contended, wait);
  }
}

/** mutex_unlock(). */
export function* mutexUnlock(cpu: Cpu, lock: MutexWords): Steps<void> {
  cpu.held &= ~HELD_SLOTS;
  lock.watch?.(cpu, false);
  if (cpu.probe !== undefined)
    cpu.probe.released(cpu, LOCK_SLOTS, true, cpu.now() - cpu.holdStart[LOCK_SLOTS]);
  if (cpu.stepped && cpu.stops(Op.Exchange, lock.state)) yield;
  if (cpu.exchange(lock.state, 0) === 2) cpu.notify(lock.state);
}
