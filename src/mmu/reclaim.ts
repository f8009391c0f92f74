/** Who takes shadow pages away beside the faults: the shrinker and KVM_SET_NR_MMU_PAGES (kernel-facts A22, A23, 2.2). */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import type { Steps } from '../cpu/steps.ts';
import { mutexLock, mutexUnlock } from '../locks/mutex.ts';
import { KVM, type Kvm } from './kvm.ts';
import { commitList } from './obsolete.ts';
import { zapOldest } from './shadow/zap.ts';
import { srcuWorkerLock, srcuWorkerUnlock } from './vcpu.ts';

/**
 * mmu_shrink_scan() of kernels before 6.13 (A22): frees what kvm_zap_obsolete_pages() has put aside and not committed yet,
 * or else zaps the oldest pages.
 * @param pages how many the memory management asks for
 * @returns pages freed
 */
export function* mmuShrinkScan(kvm: Kvm, cpu: Cpu, pages: number): Steps<number> {
  cpu.count(C.shrinks);
  yield* srcuWorkerLock(kvm, cpu);
  yield* kvm.writeLock(cpu);
  const freed =
    kvm.get(KVM.obsoletePages) > 0 ? yield* commitList(kvm, cpu) : yield* zapOldest(kvm, cpu, pages);
  yield* kvm.writeUnlock(cpu);
  yield* srcuWorkerUnlock(kvm, cpu);
  return freed;
}

/**
 * KVM_SET_NR_MMU_PAGES (A23), kvm_mmu_change_mmu_pages(): zaps down to the new limit; roots in use may keep it higher. The
 * kernel refuses less than 64 pages, the caller here what its machine cannot run with.
 * @returns the limit that now applies
 */
export function* setNrMmuPages(kvm: Kvm, cpu: Cpu, pages: number): Steps<number> {
  yield* mutexLock(cpu, kvm.slotsLock);
  yield* kvm.writeLock(cpu);
  const used = kvm.get(KVM.nUsed);
  if (used > pages) yield* zapOldest(kvm, cpu, used - pages);
  const limit = Math.max(pages, kvm.get(KVM.nUsed));
  kvm.put(KVM.nMax, limit);
  yield* kvm.writeUnlock(cpu);
  yield* mutexUnlock(cpu, kvm.slotsLock);
  cpu.count(C.limitChanges);
  return limit;
}
