/** Contention predicates of a lock holder (kernel-facts 10.2). */
import type { Cpu } from '../cpu/cpu.ts';
import type { Steps } from '../cpu/steps.ts';
import { isContended } from '../locks/qrwlock.ts';
import type { Kvm } from './kvm.ts';

/** need_resched(): the scheduler wants the CPU. */
export function needResched(kvm: Kvm, cpu: Cpu): boolean {
  kvm.observer.yieldCheck(cpu);
  return cpu.chance(kvm.config.reschedRate);
}

/**
 * rwlock_needbreak(): is somebody queued, and does the preemption model care?
 * The caller has announced a load of the queue word if `kvm.needbreakVisible`.
 */
export const rwlockNeedbreak = (kvm: Kvm, cpu: Cpu): boolean =>
  kvm.needbreakVisible && isContended(cpu.load(kvm.mmuLock.waitLock));

/** What happens while the lock is dropped: cpu_relax() if somebody is queued; a place to stop the world. */
export function letWaitersIn(kvm: Kvm, cpu: Cpu): void {
  kvm.observer.maySleep(cpu, 'gives the processor up');
  // Where somebody else says who goes next there is nothing to wait for, and so nothing to look at.
  if (!cpu.stepped && isContended(kvm.w[kvm.mmuLock.waitLock]!)) cpu.relax(kvm.mmuLock.waitLock);
  cpu.safepoint();
}

/** The drop and retake of cond_resched_rwlock_write(). */
export function* yieldMmuLock(kvm: Kvm, cpu: Cpu): Steps<void> {
  yield* kvm.writeUnlock(cpu);
  letWaitersIn(kvm, cpu);
  yield* kvm.writeLock(cpu);
}
