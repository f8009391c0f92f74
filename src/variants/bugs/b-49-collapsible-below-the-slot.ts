import { KVM_MAX_HUGEPAGE_LEVEL } from '../../mmu/config.ts';
import { spGfn } from '../../mmu/shadow-page.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-49-collapsible-below-the-slot',
  summary: 'turning logging off looks up page sizes for a gfn below its slot',
  id: 'B-49',
  fix: ['ef057cbf825e'],
  year: 2026,
  wrong:
    'kvm_mmu_zap_collapsible_spte() asked for the largest mapping of the first gfn of a direct page. That page may begin ' +
    'below the slot, where lpage_info has no entries: the index is negative.',
  needs:
    'A huge page of L1 over the boundary of two memslots, mapped by a table, and logging of the upper slot turned off.',
  expected: 'Q25',
  scenario: 'slot-seam',
  apply: () => ({
    collapsibleLevel: (kvm, slot, sp) => slot.maxMappingLevel(spGfn(kvm, sp), KVM_MAX_HUGEPAGE_LEVEL),
  }),
});
