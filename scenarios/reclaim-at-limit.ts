/**
 * The limit of shadow pages moves while the split stands at it.
 *
 * `enospc` has a tight limit that stays. Here user space changes KVM_SET_NR_MMU_PAGES and the shrinker frees the oldest
 * pages, perhaps the very tables that the split has just linked. Whoever reclaims has to flush before the pages are used
 * again, and a split that gave up with -ENOSPC must leave the huge page write-protected, not unprotected.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'reclaim-at-limit',
  summary: 'the shrinker and a changing KVM_SET_NR_MMU_PAGES take tables away that the split has made',
  about:
    'The machine starts with a limit below what a full split needs. Faults, the shrinker and the ioctl reclaim from the ' +
    'oldest end of the active list; heads are left with -ENOSPC and split later by faults.',
  facts: ['A21', 'A22', 'A23', 'B-44', 'C2', 'H-I', 'Q51'],
  defaults: { memory: '512M', backing: '2m', mmuPages: 160 },
  explore: { memory: '64K', backing: '2m', mmuPages: 9, castRounds: 4 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: 'all',
    cast: [{ kind: 'reclaim' }],
  }),
});
