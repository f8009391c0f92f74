import { ageGfnRangeLockless, markForAccessTrackingAtomic } from '../../mmu/host/lockless-aging.ts';
import { FROZEN_SPTE_LO } from '../../mmu/format.ts';
import { tdpWriteLeafAtomic } from '../../mmu/tdp/set-spte.ts';
import { defineVariant } from '../define.ts';

/**
 * Linux 6.15: pages are aged without mmu_lock, and reverse maps have locks of their own (61d65f2dc766 and others). It rests on
 * the frozen value of 6.13, which has no A or D bit: aging clears A in whatever the entry holds by then. Leaves of the TDP MMU are
 * never replaced by a plain store any more.
 */
export default defineVariant({
  name: 'lockless-aging-6.15',
  summary: 'Linux 6.15: reverse maps are aged without mmu_lock, under a lock of each head',
  kind: 'profile',
  facts: ['3.13', 'A12', '61d65f2dc766'],
  caughtBy: [],
  apply: () => ({
    ageGfnRange: ageGfnRangeLockless,
    markForAccessTracking: markForAccessTrackingAtomic,
    locksRmaps: true,
    frozenSpteLo: FROZEN_SPTE_LO,
    tdpWriteSpte: tdpWriteLeafAtomic,
  }),
});
