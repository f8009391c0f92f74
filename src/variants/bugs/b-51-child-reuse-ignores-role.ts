import { spGfn } from '../../mmu/shadow-page.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-51-child-reuse-ignores-role',
  summary: 'a child is kept although another role is wanted',
  id: 'B-51',
  fix: ['81ccda30b4e8'],
  year: 2026,
  wrong:
    'As B-50, for the role: a direct table was kept where L1 has put a table of its own at the same gfn, ' +
    'or where the permissions have changed.',
  needs: 'A huge page split by KVM, then L1 splits it itself or changes its permissions.',
  expected: 'Q10',
  mayFireFirst: {
    Q13: 'the child that was kept has another access than the way to it',
    Q12: 'the child has not the role its parent asks for',
    Q20: 'a reverse map names a leaf of another kind',
    Q11: 'a direct page stands where L1 has a table',
    Q24: 'a leaf of the page that was kept maps another frame than that page stands for',
    Q28: 'a leaf allows more than its page',
    Q49: 'a TLB keeps what the page that was kept lets L2 do',
    D17: 'a leaf of the page that was kept stands for a gfn that is being invalidated; the fault has asked for another',
    D19: 'a leaf of the page that was kept has W, and the log has the gfn that L1 maps there now',
  },
  facts: ['CVE-2026-53359', 'childReuseIgnoresRole'],
  scenario: 'table-in-page',
  alsoFrom: [{ scenario: 'table-rights' }, { scenario: 'kitchen-sink' }],
  apply: () => ({
    childIsReusable: (kvm, child, gfn) => spGfn(kvm, child) === gfn,
  }),
});
