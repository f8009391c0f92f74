/** Steps of splitting and dirty logging on the TDP MMU where kernels differ or bugs lived (kernel-facts 3.13, 7.1). */
import type { Cpu } from '../../cpu/cpu.ts';
import type { Steps } from '../../cpu/steps.ts';
import type { Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import { tdpZapCollapsible } from './collapsible.ts';
import type { TdpIter } from './iter.ts';
import { tdpMmuLinkSp } from './link.ts';
import { tdpAllocSpForSplit } from './split.ts';
import { tdpClearDirtyApplies, tdpNeedsWriteProtect } from './write-protect.ts';

export interface TdpLogSteps {
  /**
   * 4.2 step 4: a page for a split, or 0 (-ENOMEM). If mmu_lock was dropped for it the iterator has yielded. 6.1 tries
   * under the lock first; since 6.11 the lock is always dropped (B-57).
   */
  tdpAllocSpForSplit(kvm: Kvm, cpu: Cpu, iter: TdpIter, shared: boolean): Steps<number>;
  /** Since 6.11 nothing is allocated with mmu_lock held; D14 holds the engine to that. */
  readonly tdpAllocDropsLock: boolean;
  /** 4.3 step 3: compare-and-exchange with mmu_lock shared, a write with it held for write. Returns 0 or -EBUSY. */
  tdpLinkSplitChild(kvm: Kvm, cpu: Cpu, iter: TdpIter, sp: number, shared: boolean): Steps<number>;
  /** Whether the pass that clears D bits may touch the value that a failed exchange has brought (B-02). */
  tdpClearDirtyApplies(lo: number, level: number): boolean;
  /** A page that needed nothing is taken out of the mask too, so that the walk can end early (f1b3b06a058b, B-58). */
  readonly tdpMaskBitGoesFirst: boolean;
  /** The test of write_protect_gfn(): is there anything to take away? (B-04) */
  tdpNeedsWriteProtect(kvm: Kvm, lo: number, hi: number): boolean;
  /** A17 on one root, under the read lock: 6.1 zaps tables, 6.13 puts huge pages in their place. */
  tdpCollapseRange(kvm: Kvm, cpu: Cpu, root: number, slot: MemSlot): Steps<void>;
}

export const TDP_LOG_STEPS: TdpLogSteps = {
  tdpAllocSpForSplit,
  tdpAllocDropsLock: false,
  tdpLinkSplitChild: tdpMmuLinkSp,
  tdpClearDirtyApplies,
  tdpMaskBitGoesFirst: true,
  tdpNeedsWriteProtect,
  tdpCollapseRange: tdpZapCollapsible,
};
