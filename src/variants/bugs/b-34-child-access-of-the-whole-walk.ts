import { roleDirect } from '../../mmu/role.ts';
import { spRole } from '../../mmu/shadow-page.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-34-child-access-of-the-whole-walk',
  summary: 'a child page has the access of the whole walk instead of that of the way to it',
  id: 'B-34',
  fix: ['b1bd5cba3306'],
  year: 2021,
  wrong:
    'The role of an indirect child took the permissions of all entries of the walk, those below it ' +
    'included. Two ways to one table with different permissions below then share pages, or fail to.',
  needs: 'Two paths of L1 to one table, or entries of one table, with different permissions.',
  expected: 'Q12',
  mayFireFirst: {
    Q13: 'the child has not the access that the way to it gives',
    Q28: 'a leaf allows more than the way to it',
    Q11: 'a child is linked that the way does not name',
    Q10: 'a direct child has not the access of its entry',
  },
  facts: ['CVE-2021-38198'],
  scenario: 'table-rights',
  apply: (base) => ({
    indirectChildAccess: (walker) => walker.ptAccess[walker.level]!,
    // In 2021 whatever table was linked was kept.
    childIsReusable: (kvm, child, gfn, role) =>
      !roleDirect(spRole(kvm, child)) || base.childIsReusable(kvm, child, gfn, role),
  }),
});
