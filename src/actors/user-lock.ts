/**
 * A lock of user space's own, as QEMU has one per memory listener: its threads that harvest a dirty log together, or turn
 * logging off and on under a migration, take turns. It is no lock of KVM's and has no place in KVM's order of locks.
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { Steps } from '../cpu/steps.ts';
import { spinLock, spinUnlock, type LockWatcher, type SpinLock } from '../locks/spinlock.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';

/** Bit of `Cpu.held`. */
export const HELD_USER = 1 << 16;

const NOBODY: LockWatcher = { lockOrder: () => undefined };
const lockOf = (kvm: Kvm): SpinLock => ({
  word: kvm.base + KVM.userLock,
  held: HELD_USER,
  name: "user space's dirty log",
});

export function* lockUserSpace(kvm: Kvm, cpu: Cpu): Steps<void> {
  yield* spinLock(cpu, lockOf(kvm), NOBODY);
}

export function* unlockUserSpace(kvm: Kvm, cpu: Cpu): Steps<void> {
  yield* spinUnlock(cpu, lockOf(kvm), NOBODY);
}
