/** The counters that KVM exports, as far as the model has them. */
import { C, type CounterName } from '../cpu/counters.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { SP, SP_UNSYNC, spFlags } from '../mmu/shadow-page.ts';
import type { Counters } from './snapshots.ts';

/**
 * Left out is what the model does not have: exits and the flushes of a vCPU's own, which depend on the program around KVM,
 * remote_tlb_flush, which counts requests that met a vCPU in the guest, and hash collisions.
 * Those of a vCPU are read as the kernel shows them for a VM: added up, the same for every vCPU.
 * @param threads all that ever ran
 * @param nestedRuns entries of L1 into L2
 */
export function statistics(kvm: Kvm, threads: readonly Cpu[], nestedRuns: number): Counters {
  const sum = (name: CounterName): number =>
    threads.reduce((total, cpu) => total + cpu.counters[C[name]]!, 0);
  const counters: Counters = {
    pages_4k: kvm.get(KVM.pages),
    pages_2m: kvm.get(KVM.pages + 1),
    pages_1g: kvm.get(KVM.pages + 2),
    mmu_shadow_zapped: sum('shadowZapped'),
    mmu_pte_write: sum('pteWrites'),
    // Nothing counts here since update_pte() is gone (c5e2184d1544).
    mmu_pde_zapped: 0,
    mmu_flooded: sum('pteFloods'),
    mmu_recycled: sum('pagesReclaimed'),
    mmu_cache_miss: sum('spCreated') + sum('spNew'),
    mmu_unsync: unsyncPages(kvm),
    nx_lpage_splits: kvm.get(KVM.nxCount),
    remote_tlb_flush_requests: sum('flushes'),
    max_mmu_rmap_size: kvm.get(KVM.maxRmapSize),
  };
  for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
    counters[`vcpu${vcpu}`] = {
      nested_run: nestedRuns,
      pf_taken: sum('faults'),
      pf_fixed: sum('faultsFixed'),
      pf_emulate: sum('faultsEmulated'),
      pf_spurious: sum('faultsSpurious'),
      pf_fast: sum('fastPageFaults'),
      pf_mmio_spte_created: sum('mmioSptes'),
    };
  }
  return counters;
}

function unsyncPages(kvm: Kvm): number {
  let count = 0;
  for (let sp = kvm.get(KVM.activeHead); sp !== 0; sp = kvm.w[kvm.header(sp) + SP.linkNext]!) {
    if ((spFlags(kvm, sp) & SP_UNSYNC) !== 0) count++;
  }
  return count;
}
