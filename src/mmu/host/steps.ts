/** Steps of the host's side where kernels differ or bugs lived (kernel-facts 3.13, 5.4, 7, 12). */
import type { Cpu } from '../../cpu/cpu.ts';
import type { Steps } from '../../cpu/steps.ts';
import type { Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import { ageGfnRange, markForAccessTracking } from './aging.ts';
import { changedPteSpte } from './change-pte.ts';
import { mmuInvalidateRetry, mmuInvalidateUnion, unmapGfnRange } from './notifier.ts';

export interface HostSteps {
  /** mmu_invalidate_range_start and _end when the invalidation of gfns [start, end) joins `others` that run already. */
  recordInvalidateRange(kvm: Kvm, start: number, end: number, others: number): void;
  /** kvm_unmap_gfn_range(): everything that maps gfns [start, end) of the slot goes. True if a flush is owed. */
  unmapGfnRange(kvm: Kvm, cpu: Cpu, slot: MemSlot, start: number, end: number): Steps<boolean>;
  /** The flush at the end of an unmapping or a change of pte that owes one or not (A9, A11; B-21). */
  flushAfterUnmap(owed: boolean): boolean;
  /** map_writable of kvm_faultin_pfn(): whether the host's own entry, which allows writes, is taken for writable (H-B). */
  mapWritable(kvm: Kvm, slot: MemSlot, gfn: number, write: boolean): boolean;
  /** What a fault keeps of mmu_invalidate_seq: all of it; a signed int in B-39. */
  snapshotSeq(kvm: Kvm, seq: number): number;
  /** mmu_invalidate_retry_hva(), under mmu_lock: was `gfn`, looked up under `seq`, invalidated since (5.4, D17)? */
  invalidateRetry(kvm: Kvm, gfn: number, seq: number): boolean;
  /**
   * kvm_mmu_changed_pte_notifier_make_spte(): (lo, hi) becomes a read-only mapping of `pfn`. The value is left in
   * `cpu.lo/hi`. MMU-writable goes too (B-05).
   */
  changedPteSpte(kvm: Kvm, cpu: Cpu, lo: number, hi: number, pfn: number): void;
  /** Pages that the flush of a changed pte names: those of the mapping's level; one until 6.3 (B-15). */
  changedPteFlushPages(kvm: Kvm, level: number): number;
  /**
   * kvm_age_gfn(), or with `testOnly` kvm_test_age_gfn(), over gfns [start, end) of the slot in both MMUs. It takes
   * mmu_lock itself, as later kernels do without. With `flush` the TLBs are flushed if something was young (A12).
   */
  ageGfnRange(
    kvm: Kvm,
    cpu: Cpu,
    slot: MemSlot,
    start: number,
    end: number,
    testOnly: boolean,
    flush: boolean,
  ): Steps<boolean>;
  /** Reverse maps are walked without mmu_lock, so who changes one locks its head as well (6.15, 9fb13ba6b5ff). */
  readonly locksRmaps: boolean;
  /** Ages an entry without A bits: marks it for access tracking if it is still (lo, hi). True if it was. */
  markForAccessTracking(kvm: Kvm, cpu: Cpu, sptep: number, lo: number, hi: number): Steps<boolean>;
}

export const HOST_STEPS: HostSteps = {
  recordInvalidateRange: mmuInvalidateUnion,
  unmapGfnRange,
  flushAfterUnmap: (owed) => owed,
  mapWritable: () => true,
  snapshotSeq: (_kvm, seq) => seq,
  invalidateRetry: mmuInvalidateRetry,
  changedPteSpte,
  changedPteFlushPages: (kvm, level) => kvm.pages(level),
  ageGfnRange,
  locksRmaps: false,
  markForAccessTracking,
};
