/** The counters that KVM exports, as far as the model has them. */
import { C, type CounterName } from '../cpu/counters.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { SP, SP_UNSYNC, spFlags } from '../mmu/shadow-page.ts';
import type { Counters } from './snapshots.ts';

/** What no thread of the model counts. */
export interface RunCounts {
  /** KVM_RUNs. */
  readonly runs: number;
  /** Entries of L1 into L2. */
  readonly nestedRuns: number;
  /** Flushes that met a vCPU in the guest. */
  readonly kickingFlushes: number;
  /** Flushes that vCPUs have made on request. */
  readonly servedFlushes: number;
}

/**
 * Exits and the flushes of a vCPU's own follow from the runs: a fault is an exit, so is the end of a run, and L2 costs two
 * more, VMRUN and its own exit, each with a flush. Interrupts of the host come on top and are not there.
 *
 * Those of a vCPU are read as the kernel shows them for a VM: added up, the same for every vCPU.
 * @param threads all that ever ran
 */
export function statistics(
  kvm: Kvm,
  threads: readonly Cpu[],
  { runs, nestedRuns, kickingFlushes, servedFlushes }: RunCounts,
): Counters {
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
    remote_tlb_flush: kickingFlushes,
    remote_tlb_flush_requests: sum('flushes'),
    max_mmu_rmap_size: kvm.get(KVM.maxRmapSize),
    max_mmu_page_hash_collisions: kvm.get(KVM.maxHashCollisions),
  };
  for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
    counters[`vcpu${vcpu}`] = {
      tlb_flush: servedFlushes + 2 * nestedRuns,
      nested_run: nestedRuns,
      exits: sum('faults') + 2 * nestedRuns + runs,
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
