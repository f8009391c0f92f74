import { ROLE_INVALID } from '../../mmu/role.ts';
import { defineBug } from '../bug.ts';
import staleCheckBeforeReclaim from './b-44-stale-check-before-reclaim.ts';

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
    Q12: 'the role of the child is not made from its parent',
    Q15: 'a zapped root has present entries again',
    Q8: 'a page hangs below an invalid one',
  },
  without: {
    Q16: 'that the root goes at all is B-48',
    D17: 'that the fault goes on below it is B-44',
  },
  facts: ['childInheritsInvalid'],
  scenario: 'root-in-root',
  apply: (base) => ({
    ...staleCheckBeforeReclaim.apply(base),
    childRole: (parent, direct, access) => base.childRole(parent, direct, access) | (parent & ROLE_INVALID),
  }),
});
