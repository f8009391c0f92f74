/**
 * The host's part of a page fault, for both MMUs (kernel-facts 5.2 step 3, 5.4, D17).
 *
 *     yield* faultinPfn(vcpu, fault);            // no lock held: seq, pfn and hostWritable are filled in
 *     yield* kvm.writeLock(cpu);                 // or readLock, in the TDP MMU
 *     if (isInvalidated(kvm, cpu, fault)) -> RET_PF_RETRY, before anything is installed
 *
 * Under the lock, and once that test has passed, the host's mapping of the page and the size it is mapped with
 * (`slot.hostLevel`) stay as they are until the lock is dropped: who changes them starts a notifier first.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM, type Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import { mmapReadLock, mmapReadUnlock } from './host-lock.ts';
import { valueAllows, valuePfn } from './page-table.ts';
import { handleMmFault } from './user-access.ts';

/** What the host's part needs of a fault, and what it fills in. */
export interface HostFault {
  readonly slot: MemSlot;
  readonly gfn: number;
  readonly write: boolean;
  /** mmu_invalidate_seq before the host was asked. */
  seq: number;
  pfn: number;
  /** The page may be mapped writable: map_writable of kvm_faultin_pfn(). */
  hostWritable: boolean;
}

/**
 * kvm_faultin_pfn(): the frame behind `fault.gfn`, brought in by the host and made writable first where that is needed,
 * which may run a notifier on this very thread. `mmu_lock` is not held. For a write to a read-only slot `hostWritable`
 * stays false.
 */
export function* faultinPfn(vcpu: { readonly kvm: Kvm; readonly cpu: Cpu }, fault: HostFault): Steps<void> {
  const { kvm, cpu } = vcpu;
  const { slot, gfn } = fault;
  const seq = kvm.base + KVM.invalidateSeq;
  if (cpu.stepped && cpu.stops(Op.Load, seq)) yield;
  fault.seq = cpu.load(seq);
  // smp_rmb(): the count first, then the host (10.4).
  if (slot.layout.hostMap === 0) {
    fault.pfn = slot.pfn(gfn);
    fault.hostWritable = slot.hostWritable(gfn) && kvm.engine.mapWritable(kvm, slot, gfn, fault.write);
    return;
  }
  const write = fault.write && !slot.config.readonly;
  const word = slot.hostWord(gfn);
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
    const value = cpu.load(word);
    if (valueAllows(value, write)) {
      fault.pfn = valuePfn(slot, gfn, value);
      // A page that is only read is mapped writable too if it costs nothing.
      fault.hostWritable =
        !slot.config.readonly && valueAllows(value, true) && kvm.engine.mapWritable(kvm, slot, gfn, write);
      return;
    }
    yield* mmapReadLock(kvm, cpu);
    yield* handleMmFault(kvm, cpu, slot, gfn, write);
    yield* mmapReadUnlock(kvm, cpu);
  }
}

/** The part of is_page_fault_stale() that is the host's: must the fault look its page up again? `mmu_lock` is held. */
export function isInvalidated(kvm: Kvm, cpu: Cpu, fault: HostFault): boolean {
  if (!kvm.engine.invalidateRetry(kvm, fault.gfn, fault.seq)) return false;
  cpu.count(C.staleFaults);
  kvm.observer.staleFault(cpu, fault.gfn, fault.seq);
  return true;
}

/**
 * The host's side of a prefetch, under `mmu_lock` with no invalidation in progress: only pages that are present and
 * writable are taken, as the lookup must not sleep and asks for both (gfn_to_page_many_atomic).
 */
export function* prefetchAllowed(cpu: Cpu, slot: MemSlot, gfn: number): Steps<boolean> {
  if (slot.config.readonly) return false;
  if (slot.layout.hostMap === 0) return true;
  const word = slot.hostWord(gfn);
  if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
  return valueAllows(cpu.load(word), true);
}
