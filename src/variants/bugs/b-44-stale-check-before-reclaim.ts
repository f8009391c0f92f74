import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-44-stale-check-before-reclaim',
  summary: 'a fault looks whether its root is good before it reclaims pages, and not again',
  id: 'B-44',
  fix: ['47b0c2e4c220', '2abd5287f083'],
  year: 2026,
  wrong:
    'Making room for new pages may zap the very root a fault is about to build under. The test for a ' +
    'stale fault came first.',
  needs: 'A low limit of MMU pages, and a nested root that nobody counts as in use.',
  expected: 'D17',
  mayFireFirst: {
    Q8: 'a table is linked below an invalid root',
    Q6: 'an entry names a table that has gone',
  },
  facts: ['CVE-2026-64561', 'staleCheckBeforeReclaim'],
  scenario: 'reclaim-at-limit',
  apply: () => ({ reclaimsBeforeStaleCheck: false }),
});
