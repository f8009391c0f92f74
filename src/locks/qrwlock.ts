/**
 * `mmu_lock`: the kernel's queued rwlock (kernel-facts 10.1) over the futex.
 *
 * `cnts` has the kernel's layout: byte 0 is 0xff while a writer holds it, bit 8 says a writer waits, readers count
 * from bit 9. The kernel's `wait_lock` is a FIFO spinlock; here it is a ticket in one word (next in the upper half,
 * serving in the lower), so that `rwlock_is_contended` is one load. Every access is a visible operation.
 */
import { type Cpu, HELD_MMU_READ, HELD_MMU_WRITE } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { LOCK_MMU } from './probe.ts';

export const QW_LOCKED = 0xff;
export const QW_WAITING = 0x100;
export const QW_WMASK = 0x1ff;
export const QR_BIAS = 0x200;

const NEXT_BIAS = 0x10000;

/** Told when a queued rwlock was taken, and when it was dropped. */
export interface RwLockWatch {
  acquired(cpu: Cpu, write: boolean): void;
  released(cpu: Cpu, write: boolean): void;
}

/** The words of a queued rwlock; `owner` is for reports only: actor + 1 of the writer, 0 if none. */
export interface QRwLockWords {
  readonly cnts: number;
  readonly waitLock: number;
  readonly owner: number;
  readonly watch?: RwLockWatch | undefined;
}

/** Takes the queue's ticket and waits for its turn. */
function* queueUp(cpu: Cpu, lock: QRwLockWords): Steps<void> {
  if (cpu.stepped && cpu.stops(Op.Add, lock.waitLock)) yield;
  const ticket = (cpu.add(lock.waitLock, NEXT_BIAS) >>> 16) & 0xffff;
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, lock.waitLock)) yield;
    const now = cpu.load(lock.waitLock);
    if ((now & 0xffff) === ticket) return;
    if (cpu.stepped && cpu.stops(Op.Wait, lock.waitLock, now)) yield;
    cpu.wait(lock.waitLock, now);
  }
}

/** Serves the next ticket. */
function* leaveQueue(cpu: Cpu, lock: QRwLockWords): Steps<void> {
  // Only the server of the queue moves the lower half; the carry out of 0xffff must not reach the upper one.
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, lock.waitLock)) yield;
    const now = cpu.load(lock.waitLock);
    const next = (now & ~0xffff) | ((now + 1) & 0xffff);
    if (cpu.stepped && cpu.stops(Op.CompareExchange, lock.waitLock)) yield;
    if (cpu.compareExchange(lock.waitLock, now, next) === now) break;
  }
  cpu.notify(lock.waitLock);
}

/** write_lock(). */
export function* writeLock(cpu: Cpu, lock: QRwLockWords): Steps<void> {
  if (cpu.stepped && cpu.stops(Op.CompareExchange, lock.cnts)) yield;
  let wait = 0;
  let contended = false;
  if (cpu.compareExchange(lock.cnts, 0, QW_LOCKED) !== 0) {
    contended = true;
    const since = cpu.now();
    cpu.probe?.contended?.(cpu, LOCK_MMU);
    yield* queueUp(cpu, lock);
    yield* waitAsWriter(cpu, lock);
    yield* leaveQueue(cpu, lock);
    wait = cpu.now() - since;
  }
  noteWriteAcquired(cpu, lock, contended, wait);
}

/** The head of the queue waits until nobody holds the lock and takes it. */
function* waitAsWriter(cpu: Cpu, lock: QRwLockWords): Steps<void> {
  if (cpu.stepped && cpu.stops(Op.CompareExchange, lock.cnts)) yield;
  if (cpu.compareExchange(lock.cnts, 0, QW_LOCKED) === 0) return;
  if (cpu.stepped && cpu.stops(Op.Or, lock.cnts)) yield;
  cpu.or(lock.cnts, QW_WAITING);
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, lock.cnts)) yield;
    const now = cpu.load(lock.cnts);
    if (now === QW_WAITING) {
      if (cpu.stepped && cpu.stops(Op.CompareExchange, lock.cnts)) yield;
      if (cpu.compareExchange(lock.cnts, QW_WAITING, QW_LOCKED) === QW_WAITING) return;
    } else {
      if (cpu.stepped && cpu.stops(Op.Wait, lock.cnts, now)) yield;
      cpu.wait(lock.cnts, now);
    }
  }
}

/** write_unlock(). */
export function* writeUnlock(cpu: Cpu, lock: QRwLockWords): Steps<void> {
  noteWriteReleased(cpu);
  if (cpu.stepped && cpu.stops(Op.And, lock.cnts)) yield;
  cpu.and(lock.cnts, ~QW_LOCKED);
  cpu.notify(lock.cnts);
  lock.watch?.released(cpu, true);
}

/** read_lock(). */
export function* readLock(cpu: Cpu, lock: QRwLockWords): Steps<void> {
  if (cpu.stepped && cpu.stops(Op.Add, lock.cnts)) yield;
  let wait = 0;
  let contended = false;
  if ((cpu.add(lock.cnts, QR_BIAS) & QW_WMASK) !== 0) {
    contended = true;
    const since = cpu.now();
    cpu.probe?.contended?.(cpu, LOCK_MMU);
    if (cpu.stepped && cpu.stops(Op.Add, lock.cnts)) yield;
    cpu.add(lock.cnts, -QR_BIAS);
    cpu.notify(lock.cnts);
    yield* queueUp(cpu, lock);
    if (cpu.stepped && cpu.stops(Op.Add, lock.cnts)) yield;
    cpu.add(lock.cnts, QR_BIAS);
    for (;;) {
      if (cpu.stepped && cpu.stops(Op.Load, lock.cnts)) yield;
      const now = cpu.load(lock.cnts);
      if ((now & QW_LOCKED) === 0) break;
      if (cpu.stepped && cpu.stops(Op.Wait, lock.cnts, now)) yield;
      cpu.wait(lock.cnts, now);
    }
    yield* leaveQueue(cpu, lock);
    wait = cpu.now() - since;
  }
  cpu.held |= HELD_MMU_READ;
  if (cpu.probe !== undefined) {
    cpu.holdStart[LOCK_MMU] = cpu.now();
    cpu.probe.acquired(cpu, LOCK_MMU, false, contended, wait);
  }
  lock.watch?.acquired(cpu, false);
}

/** read_unlock(). */
export function* readUnlock(cpu: Cpu, lock: QRwLockWords): Steps<void> {
  cpu.held &= ~HELD_MMU_READ;
  cpu.mmuReleases++;
  if (cpu.probe !== undefined) cpu.probe.released(cpu, LOCK_MMU, false, cpu.now() - cpu.holdStart[LOCK_MMU]);
  if (cpu.stepped && cpu.stops(Op.Add, lock.cnts)) yield;
  cpu.add(lock.cnts, -QR_BIAS);
  cpu.notify(lock.cnts);
  lock.watch?.released(cpu, false);
}

/** Bookkeeping of a taken write lock; a variant's lock calls it too, so that lockdep sees every lock. */
export function noteWriteAcquired(cpu: Cpu, lock: QRwLockWords, contended: boolean, wait: number): void {
  cpu.held |= HELD_MMU_WRITE;
  if (cpu.probe !== undefined) {
    cpu.holdStart[LOCK_MMU] = cpu.now();
    cpu.probe.acquired(cpu, LOCK_MMU, true, contended, wait);
  }
  lock.watch?.acquired(cpu, true);
}

/** Bookkeeping just before a write lock is released. */
export function noteWriteReleased(cpu: Cpu): void {
  cpu.held &= ~HELD_MMU_WRITE;
  cpu.mmuReleases++;
  if (cpu.probe !== undefined) cpu.probe.released(cpu, LOCK_MMU, true, cpu.now() - cpu.holdStart[LOCK_MMU]);
}

/** True if the value of `waitLock` says that somebody is queued: queued_rwlock_is_contended(). */
export function isContended(waitLock: number): boolean {
  return ((waitLock >>> 16) & 0xffff) !== (waitLock & 0xffff);
}
