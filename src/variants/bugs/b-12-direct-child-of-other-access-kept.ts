import { spGfn } from '../../mmu/shadow-page.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-12-direct-child-of-other-access-kept',
  summary: 'a direct child of other access stays linked when the entry changes its permissions',
  id: 'B-12',
  fix: ['9e7b0e7fba45'],
  year: 2010,
  wrong:
    'A write fault raised the permissions of an entry in a direct table that other entries share with ' +
    'fewer permissions. validate_direct_spte() was made for this.',
  needs:
    'L1 changes the permissions of a huge entry that KVM maps with a table, while an alias has the old ' +
    'ones.',
  expected: 'Q10',
  mayFireFirst: {
    Q28: 'a leaf allows more than its page does',
    Q12: 'the child has not the role its parent asks for',
    Q11: 'a table of another kind is linked',
    Q49: 'what a vCPU may use is no longer what L1 allows',
  },
  scenario: 'l1-remap',
  apply: () => ({
    *validateDirectSpte() {},
    childIsReusable: (kvm, child, gfn) => spGfn(kvm, child) === gfn,
  }),
});
