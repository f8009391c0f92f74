import { roleLevel } from '../../mmu/role.ts';
import { pageGetGfn, spRole, spteIndex, sptepToSp } from '../../mmu/shadow-page.ts';
import { defineVariant } from '../define.ts';

/**
 * A dirty log by D bits that works for nested pages: PML stays on while L2 runs, and what it logs is the gfn of L1 that the
 * leaf maps. No kernel does this: hardware logs the address of L2, which is why PML is off then (c3bb9a20834f, B-10). With it one
 * can ask what becomes of the D bits that a split hands on (H-D); nested-uses-dirty-bits alone has nobody who looks at D.
 */
export default defineVariant({
  name: 'nested-pml',
  summary: 'nested pages are logged by D bits, through a PML that knows the gfns of L1 (H-D)',
  kind: 'idea',
  facts: ['H-D', 'B-10', 'Q45'],
  caughtBy: [],
  scenario: 'pml',
  apply: () => ({
    pageAdNeedWriteProtect: () => false,
    pmlLogs: ({ pmlEntries }) => pmlEntries > 0,
    pmlAddress: (kvm, sptep, gfn) => {
      const sp = sptepToSp(kvm, sptep);
      return pageGetGfn(kvm, sp, spteIndex(kvm, sptep)) + (gfn & (kvm.pages(roleLevel(spRole(kvm, sp))) - 1));
    },
  }),
});
