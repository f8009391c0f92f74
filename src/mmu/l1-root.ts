/** kvm_mmu_load() of the tables that L1 itself runs on: EPT01 (kernel-facts A25). */
import type { Steps } from '../cpu/steps.ts';
import { topupVcpuCache } from './memory-cache.ts';
import { setRoot, tlbFlushAll } from './tlb.ts';
import { loadDirectRoot } from './shadow/direct-fault.ts';
import { rcuDrain, rcuMakeRoom } from './tdp/rcu.ts';
import { tdpMmuGetVcpuRoot, tdpRunZapWork } from './tdp/roots.ts';
import type { Vcpu } from './vcpu.ts';
import { ROOT_L1 } from './vcpu-words.ts';

/** Tables that must be in the caches before mmu_lock is taken. */
const PAGE_CACHE_MIN = 5;

/** mmu_alloc_direct_roots(): leaves the root in the vCPU's word for ROOT_L1, or 0 for want of memory: user space tries again. */
export function* loadL1Root(vcpu: Vcpu): Steps<void> {
  const { kvm, cpu, caches } = vcpu;
  if (!kvm.config.tdpMmu) {
    yield* loadDirectRoot(vcpu);
    return;
  }
  yield* rcuMakeRoom(kvm, cpu);
  const enough =
    topupVcpuCache(kvm, cpu, caches.header, kvm.headerPool, PAGE_CACHE_MIN) &&
    topupVcpuCache(kvm, cpu, caches.table, kvm.tablePool, PAGE_CACHE_MIN);
  if (!enough) return;
  yield* kvm.writeLock(cpu);
  const root = yield* tdpMmuGetVcpuRoot(vcpu);
  setRoot(vcpu, ROOT_L1, root);
  // Putting a root does not flush: whoever takes one into use does, for himself. Nothing is cached before the next entry.
  tlbFlushAll(vcpu);
  yield* kvm.writeUnlock(cpu);
  yield* tdpRunZapWork(kvm, cpu);
  yield* rcuDrain(kvm, cpu);
}
