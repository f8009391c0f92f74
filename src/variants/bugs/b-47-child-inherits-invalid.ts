import { ROLE_INVALID } from '../../mmu/role.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-47-child-inherits-invalid',
  summary: 'a child inherits the invalid bit of a parent that was zapped under the fault',
  id: 'B-47',
  fix: ['5ec42d57655c'],
  year: 2026,
  wrong:
    'kvm_mmu_child_role() copied role.invalid from the parent. A fault that goes on under a root which ' +
    'its own reclaim has zapped makes children that nobody ever finds or frees.',
  needs: 'The order of B-44, which let such faults go on.',
  expected: 'Q1',
  mayFireFirst: {
    D17: 'the fault goes on under a root that has gone, which is what lets the bit be inherited',
    Q12: 'the role of the child is not made from its parent',
    Q8: 'a page hangs below an invalid one',
  },
  facts: ['childInheritsInvalid'],
  scenario: 'reclaim-at-limit',
  apply: (base) => ({
    reclaimsBeforeStaleCheck: false,
    childRole: (parent, direct, access) => base.childRole(parent, direct, access) | (parent & ROLE_INVALID),
  }),
});
