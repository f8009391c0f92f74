import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-13-direct-child-without-the-last-entry',
  summary: 'the role of a direct child is made from the entries above the last one only',
  id: 'B-13',
  fix: ['5fd5387c89ec'],
  year: 2010,
  wrong:
    'The role of a direct page under a large page of the guest took the permissions of the tables above and left out those ' +
    'of the entry that maps the page. Two entries that differ share one page.',
  needs:
    'Two entries for one large page with different permissions, and a host that maps it with small ones.',
  expected: 'Q10',
  mayFireFirst: {
    Q28: 'a leaf allows what its role does not',
    Q49: 'a translation allows what L1 forbids',
    Q12: 'the role of a child does not follow from its parent and its entry',
  },
  scenario: 'alias-mixed-access',
  apply: () => ({ directChildAccess: (walker) => walker.ptAccess[walker.level]! }),
});
