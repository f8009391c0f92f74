import { spRole } from '../../mmu/shadow-page.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-50-child-reuse-ignores-gfn',
  summary: 'a direct child is kept although the entry now maps another gfn',
  id: 'B-50',
  fix: ['0cb2af2ea66a'],
  year: 2026,
  wrong:
    'A fault kept a table that was linked at its entry without asking whether it maps the gfn that is ' +
    'wanted. Leaves are then put into the reverse map of one gfn and taken out of that of another; the ' +
    'page is freed with an entry left behind.',
  needs: 'L1 rewrites a huge entry to another target while a table is linked for it.',
  expected: 'Q10',
  mayFireFirst: {
    Q9: 'a child of a direct page maps other gfns',
    Q19: 'a leaf is not in the reverse map of its gfn',
    Q20: 'a reverse map names a leaf of another gfn',
    Q11: 'a child is linked that L1 no longer names',
    Q24: 'a leaf maps another frame',
    D17: 'the leaf stands for a gfn that is being invalidated; the fault has asked for another',
    D19: 'the leaf stands for a gfn that is not in the log; the fault has marked another',
  },
  facts: ['CVE-2026-46113', 'childReuseIgnoresGfn'],
  scenario: 'l1-remap',
  alsoFrom: [{ scenario: 'kitchen-sink' }],
  apply: () => ({ childIsReusable: (kvm, child, _gfn, role) => spRole(kvm, child) === role }),
});
