/** Steps of the TDP MMU where kernels differ or bugs lived (kernel-facts 3.13, 7, 12). */
import type { Cpu } from '../../cpu/cpu.ts';
import type { Steps } from '../../cpu/steps.ts';
import { fastPfMayMakeWritable } from '../fast-page-fault.ts';
import { isLastSpte, REMOVED_SPTE_LO } from '../format.ts';
import type { Kvm } from '../kvm.ts';
import type { Fault } from '../shadow/set-spte.ts';
import type { Vcpu } from '../vcpu.ts';
import { type TdpIter, tdpIterAfterYield } from './iter.ts';
import { tdpLinkNxSp } from './map.ts';
import { callRcu } from './rcu.ts';
import { tdpWriteSpte } from './set-spte.ts';
import { tdpShrinkByZap } from './shrink.ts';

export interface TdpSteps {
  /** Whether a walk that gives mmu_lock up flushes first, given that a flush is owed (B-21, lostFlushOnYield). */
  tdpFlushBeforeYield(owed: boolean): boolean;
  /** What becomes of the iterator once the lock was dropped (B-29, advanceAfterYield). */
  tdpIterAfterYield(iter: TdpIter, cpu: Cpu): Steps<void>;
  /**
   * Replaces an entry with mmu_lock held for write; (oldLo, oldHi) is what the caller has read. Leaves the value that was
   * replaced in `cpu.lo/hi` (B-24, tdpPlainWrite).
   */
  tdpWriteSpte(
    kvm: Kvm,
    cpu: Cpu,
    sptep: number,
    oldLo: number,
    oldHi: number,
    lo: number,
    hi: number,
    level: number,
  ): Steps<void>;
  /** Whether a value counts as a page of its level in the statistics (B-33). */
  tdpCountsAsLeaf(lo: number, level: number): boolean;
  /** call_rcu() of a page that was unlinked (D25). */
  callRcu(kvm: Kvm, cpu: Cpu, sp: number): Steps<void>;
  /** An atomic zap deals with what it took away only after the flush (aca48556c592, 6.10; B-26). */
  readonly tdpProcessesZappedAfterFlush: boolean;
  /** What a frozen entry holds: REMOVED_SPTE_LO, or FROZEN_SPTE_LO since 6.13. The upper half is 0. */
  readonly frozenSpteLo: number;
  /** Pages that the flush of an entry of `level` names (B-19). */
  tdpFlushPages(kvm: Kvm, level: number): number;
  /** Unmapping visits roots that were invalidated and are still in use (d62007edf01f, B-30). */
  readonly tdpUnmapsInvalidRoots: boolean;
  /** Whether a fault may map at the iterator's entry (B-41). */
  tdpGoalReached(iter: TdpIter, goalLevel: number): boolean;
  /** With the mitigation on, the table at this entry keeps a fault from mapping a huge page (76901e56fb51, B-43). */
  tdpTableForbidsHuge(kvm: Kvm, lo: number, hi: number): boolean;
  /** Takes a huge page out of a fault's way, by zapping it or by splitting it (c4b33d28ea51). False: try again. */
  tdpShrinkHuge(vcpu: Vcpu, fault: Fault, iter: TdpIter): Steps<boolean>;
  /** tdp_mmu_link_sp() of a table that is on the list of nx-disallowed pages (B-42). 0 or -EBUSY. */
  tdpLinkNxSp(kvm: Kvm, cpu: Cpu, iter: TdpIter, sp: number): Steps<number>;
  /**
   * The TDP MMU holds a reference to every root until the root is invalidated (edbdb43fc96b, 6.4 and stable trees): a root
   * that no vCPU uses stays with all it maps. Off: it goes with its last vCPU.
   */
  readonly tdpRootsPersist: boolean;
  /** Whether the fast path may set W in a leaf of this level (B-20, fastPfHuge). */
  fastPfMayMakeWritable(level: number, logged: boolean): boolean;
}

export const TDP_STEPS: TdpSteps = {
  tdpFlushBeforeYield: (owed) => owed,
  tdpIterAfterYield,
  tdpWriteSpte,
  tdpCountsAsLeaf: isLastSpte,
  callRcu,
  tdpProcessesZappedAfterFlush: false,
  frozenSpteLo: REMOVED_SPTE_LO,
  tdpFlushPages: (kvm, level) => kvm.pages(level),
  tdpUnmapsInvalidRoots: true,
  tdpGoalReached: (iter, goalLevel) => iter.level === goalLevel,
  tdpTableForbidsHuge: () => true,
  tdpShrinkHuge: tdpShrinkByZap,
  tdpLinkNxSp,
  tdpRootsPersist: true,
  fastPfMayMakeWritable,
};
