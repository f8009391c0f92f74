import { isNxDisallowed } from '../../mmu/nx-list.ts';
import { spteChildSp } from '../../mmu/spte.ts';
import { skipDirtyTracked } from '../../mmu/vm-wide-steps.ts';
import { defineVariant } from '../define.ts';

/**
 * Linux 6.2: only a table that exists because of the mitigation keeps a fault from mapping a huge page (76901e56fb51, B-43,
 * H-J), and the recovery worker leaves dirty-tracked slots alone (eb298605705a, B-59).
 */
export default defineVariant({
  name: 'nx-6.2',
  summary: 'Linux 6.2: only tables made for NX forbid huge pages, and NX recovery passes over logged slots',
  kind: 'profile',
  facts: ['3.13', 'A20', 'B-43', 'B-59', 'H-J'],
  caughtBy: [],
  apply: () => ({
    tableForbidsHuge: (kvm, lo, hi) => isNxDisallowed(kvm, spteChildSp(kvm, lo, hi)),
    tdpTableForbidsHuge: (kvm, lo, hi) => isNxDisallowed(kvm, spteChildSp(kvm, lo, hi)),
    nxRecoverySkips: skipDirtyTracked,
    nxMarksDecide: true,
  }),
});
