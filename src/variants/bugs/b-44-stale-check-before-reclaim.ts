import { defineBug } from '../bug.ts';
import zapsRootsAsOrphans from './b-48-zaps-roots-as-orphans.ts';

export default defineBug({
  name: 'b-44-stale-check-before-reclaim',
  summary: 'a fault looks whether its root is good before it reclaims pages, and not again',
  id: 'B-44',
  fix: ['47b0c2e4c220', '2abd5287f083'],
  year: 2026,
  wrong:
    'Making room for new pages may zap the very root a fault is about to build under. The test for a ' +
    'stale fault came first.',
  needs:
    'A low limit of MMU pages, and a root that reclaim takes although a vCPU uses it: one that goes with its last parent ' +
    '(B-48, in the same kernels; reclaim passes over the other roots).',
  expected: 'D17',
  mayFireFirst: {
    Q8: 'a table is linked below an invalid root',
    Q6: 'an entry names a table that has gone',
    Q15: 'a zapped root has present entries again',
  },
  without: { Q16: 'that the root goes at all is B-48' },
  facts: ['CVE-2026-64561', 'staleCheckBeforeReclaim'],
  scenario: 'root-in-root',
  apply: (base) => ({ ...zapsRootsAsOrphans.apply(base), reclaimsBeforeStaleCheck: false }),
});
