/** Steps of what concerns the whole VM, where kernels differ or bugs lived (kernel-facts 3.13, 7.3, 12). */
import type { Cpu } from '../cpu/cpu.ts';
import type { Steps } from '../cpu/steps.ts';
import type { Kvm } from './kvm.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, type MemSlot } from './memslot.ts';
import { flushShadowMemslot } from './memslot-change.ts';
import { mmioGenerationMatches, mmioOverPresent } from './mmio.ts';
import { type NxRecovery, remoteFlushOrZap } from './nx.ts';
import { commitList } from './obsolete.ts';
import { isObsoleteRoot } from './roots.ts';
import { spGfn, spRootCount } from './shadow-page.ts';
import { requestFreeObsoleteRoots, zapsOrphan } from './shadow/zap.ts';
import { tlbFlushAll, tlbFlushRoot } from './tlb.ts';
import type { Vcpu } from './vcpu.ts';
import { ALL_GFNS } from './zap-all.ts';

export interface VmWideSteps {
  /** is_obsolete_root(): may nothing be built below this root, and must its vCPU let go of it (D17, B-38)? */
  isObsoleteRoot(kvm: Kvm, rootSp: number): boolean;
  /** A fault reclaims pages before it looks whether its root is still good; the other way round is B-44. */
  readonly reclaimsBeforeStaleCheck: boolean;
  /** KVM_REQ_MMU_FREE_OBSOLETE_ROOTS to all vCPUs, waiting for those in the guest. `mmu_lock` is held for write. */
  requestFreeObsoleteRoots(kvm: Kvm, cpu: Cpu): Steps<void>;
  /** A child whose last parent is being zapped goes with it; not a root (B-48). */
  zapsOrphan(kvm: Kvm, childSp: number): boolean;
  /** kvm_mmu_zap_oldest_mmu_pages() passes over the page: it is in use as a root (A21, B-44). */
  reclaimSkips(kvm: Kvm, sp: number): boolean;
  /** What a vCPU flushes of its own when it takes a nested root into use (A7, A25, B-28). */
  flushOnRootLoad(vcpu: Vcpu, root: number): void;
  /** A vCPU that is about to enter the guest serves KVM_REQ_TLB_FLUSH (D26, B-28). */
  serveTlbFlush(vcpu: Vcpu): void;
  /** The end of kvm_zap_obsolete_pages(): one flush, and the pages are free (Q51, Q53). */
  commitObsolete(kvm: Kvm, cpu: Cpu): Steps<number>;
  /** kvm_arch_flush_shadow_memslot(): everything, or with 6.12's quirk off the slot alone (A18, B-53). */
  flushShadowMemslot(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void>;
  /** The gfns that kvm_zap_gfn_range() tells faults about: all, not just those it zaps (B-40). */
  zapGfnRangeBlocks(start: number, end: number): readonly [start: number, end: number];
  /** Levels of the reverse maps that kvm_zap_gfn_range() walks, in their order: from 4 KiB up (A24). */
  readonly zapRangeLevels: readonly number[];
  /** An MMIO SPTE goes where something present is: that must go first (B-45). True if a flush is owed. */
  mmioOverPresent(kvm: Kvm, cpu: Cpu, sptep: number): Steps<boolean>;
  /** check_mmio_spte(): is the MMIO SPTE of the generation `gen` of the memslots (A27)? */
  mmioGenerationMatches(kvm: Kvm, lo: number, hi: number, gen: number): boolean;
  /** The recovery worker takes the page off its list instead of zapping it: dirty-tracked slots from 6.2 on (B-59). */
  nxRecoverySkips(kvm: Kvm, sp: number): boolean;
  /**
   * Since 6.2 only tables made for NX keep huge pages away, and recovery leaves logged slots alone; Q33 holds the engine to
   * that (B-43, B-59).
   */
  readonly nxMarksDecide: boolean;
  /** What the recovery worker does before it drops mmu_lock in between, and at its end (B-22, B-54). */
  nxRecoveryBeforeYield(kvm: Kvm, cpu: Cpu, owed: NxRecovery): Steps<void>;
  nxRecoveryAtEnd(kvm: Kvm, cpu: Cpu, owed: NxRecovery): Steps<void>;
}

/** `nxRecoverySkips` of 6.2 and later (eb298605705a): such pages would only be faulted back in as 4 KiB pages. */
export function skipDirtyTracked(kvm: Kvm, sp: number): boolean {
  const slot = kvm.slotOf(spGfn(kvm, sp));
  return slot !== undefined && (kvm.w[slot.flagsWord]! & KVM_MEM_LOG_DIRTY_PAGES) !== 0;
}

export const VM_WIDE_STEPS: VmWideSteps = {
  isObsoleteRoot,
  reclaimsBeforeStaleCheck: true,
  requestFreeObsoleteRoots,
  zapsOrphan,
  reclaimSkips: (kvm, sp) => spRootCount(kvm, sp) > 0,
  flushOnRootLoad: tlbFlushRoot,
  serveTlbFlush: tlbFlushAll,
  commitObsolete: commitList,
  flushShadowMemslot,
  zapGfnRangeBlocks: () => [0, ALL_GFNS],
  zapRangeLevels: [1, 2, 3],
  mmioOverPresent,
  mmioGenerationMatches,
  nxRecoverySkips: () => false,
  nxMarksDecide: false,
  nxRecoveryBeforeYield: remoteFlushOrZap,
  nxRecoveryAtEnd: remoteFlushOrZap,
};
