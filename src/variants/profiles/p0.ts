import type { Engine } from '../../mmu/engine.ts';
import { spGfn, sptepToSp } from '../../mmu/shadow-page.ts';
import { defineVariant } from '../define.ts';

/**
 * P0: the commit alone. The TLBs are flushed after every drop of a huge SPTE, and the range named is the gfn of the page
 * that holds the entry: wrong for indirect pages (B-14), invisible while flushes are full. So is that of a recycled head,
 * and validate_direct_spte() names one page where a table went (B-17). The flush at the end of enabling depends on whether
 * write protection changed anything (kernel-facts 0, 3.10).
 */
export default defineVariant({
  name: 'p0',
  summary: 'the commit alone (ada51a9de737): every nested split flushes before it links',
  kind: 'profile',
  facts: ['0', '3.10', 'C5', 'B-14', 'B-17'],
  caughtBy: [],
  apply: (): Partial<Engine> => ({
    profile: 'P0',
    splitNeedsFlush: () => true,
    splitFlushGfn: (kvm, hugeSptep) => spGfn(kvm, sptepToSp(kvm, hugeSptep)),
    recycleFlushGfn: (kvm, sp) => spGfn(kvm, sp),
    directChildFlushPages: () => 1,
    flushAfterEnable: (changed) => changed,
  }),
});
