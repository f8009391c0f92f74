/**
 * Two locks of the host's memory management, cut down to what the guest's memory needs.
 *
 * mmap_lock: who changes single mappings holds it for read, from before the notifier's start to after its end; who puts
 * huge pages together holds it for write, so that nobody has named a smaller range than will change. The page-table lock
 * (`host_lock`) is held for the change itself. Both are outside mmu_lock (D21): a notifier takes mmu_lock under them.
 */
import { type Cpu, HELD_HOST } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { type SpinLock, spinLock, spinUnlock } from '../../locks/spinlock.ts';
import { KVM, type Kvm } from '../kvm.ts';

/** The word of mmap_lock counts readers; this is a writer. */
const WRITER = -1;

const pageTableLock = (kvm: Kvm): SpinLock => ({
  word: kvm.base + KVM.hostLock,
  held: HELD_HOST,
  name: 'host_lock',
});

export function* hostLock(kvm: Kvm, cpu: Cpu): Steps<void> {
  yield* spinLock(cpu, pageTableLock(kvm), kvm.observer);
}

export function* hostUnlock(kvm: Kvm, cpu: Cpu): Steps<void> {
  yield* spinUnlock(cpu, pageTableLock(kvm), kvm.observer);
}

/** mmap_read_lock(). */
export function* mmapReadLock(kvm: Kvm, cpu: Cpu): Steps<void> {
  const word = kvm.base + KVM.mmapLock;
  kvm.observer.lockOrder(cpu, 'mmap_lock', true);
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
    const readers = cpu.load(word);
    if (readers === WRITER) {
      if (cpu.stepped && cpu.stops(Op.Wait, word, WRITER)) yield;
      cpu.wait(word, WRITER);
      continue;
    }
    if (cpu.stepped && cpu.stops(Op.CompareExchange, word)) yield;
    if (cpu.compareExchange(word, readers, readers + 1) === readers) return;
  }
}

/** mmap_read_unlock(). */
export function* mmapReadUnlock(kvm: Kvm, cpu: Cpu): Steps<void> {
  const word = kvm.base + KVM.mmapLock;
  kvm.observer.lockOrder(cpu, 'mmap_lock', false);
  if (cpu.stepped && cpu.stops(Op.Add, word)) yield;
  cpu.add(word, -1);
}

/** mmap_write_trylock(): khugepaged does not wait, it goes on with another range. */
export function* mmapTryWriteLock(kvm: Kvm, cpu: Cpu): Steps<boolean> {
  const word = kvm.base + KVM.mmapLock;
  if (cpu.stepped && cpu.stops(Op.CompareExchange, word)) yield;
  if (cpu.compareExchange(word, 0, WRITER) !== 0) return false;
  kvm.observer.lockOrder(cpu, 'mmap_lock', true);
  return true;
}

/** mmap_write_unlock(). */
export function* mmapWriteUnlock(kvm: Kvm, cpu: Cpu): Steps<void> {
  const word = kvm.base + KVM.mmapLock;
  kvm.observer.lockOrder(cpu, 'mmap_lock', false);
  if (cpu.stepped && cpu.stops(Op.Store, word)) yield;
  cpu.store(word, 0);
  cpu.notify(word);
}
