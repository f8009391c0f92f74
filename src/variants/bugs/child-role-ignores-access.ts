import { childRole, roleAccess } from '../../mmu/role.ts';
import { defineVariant } from '../define.ts';

/**
 * The split child takes its parent's access instead of the entry's (B-13, recipe 7.4-2): aliases with different
 * permissions then share one child.
 */
export default defineVariant({
  name: 'child-role-ignores-access',
  summary: "the split child takes its parent's access instead of the entry's, so unequal aliases share it",
  kind: 'bug',
  facts: ['B-13', '7.4-2', 'Q10', 'Q28'],
  caughtBy: ['Q10', 'Q28', 'Q34'],
  scenario: 'alias-mixed-access',
  apply: () => ({
    splitChildRole: (_kvm, parentRole) => childRole(parentRole, true, roleAccess(parentRole)),
  }),
});
