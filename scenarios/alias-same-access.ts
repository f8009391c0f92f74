/**
 * Two L2 addresses for every L1 page, with the same permissions.
 *
 * The first split of a page makes a child table; the second finds the same child by (gfn, role) and reuses it: one child,
 * two parents, no new page, 512 SPTEs left as they are (kernel-facts 3.8). P1 does not flush for it, as a child of 4 KiB
 * leaves is complete.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'alias-same-access',
  summary: "every page is mapped twice with equal permissions: the second split reuses the first one's child",
  about:
    'L1 maps its memory at two L2 ranges by 2 MiB entries of equal permission. The children are shared, so half of the ' +
    'splits make no page and take no table from the caches; parent lists grow to two entries and take a descriptor.',
  facts: ['3.7', '3.8', 'C8', 'C14', 'Q7'],
  defaults: { memory: '512M', backing: '2m' },
  explore: { memory: '32K', backing: '2m' },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [
      {
        name: 'aliased',
        mappings: [
          { l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 },
          { l2Gfn: pages, l1Gfn: base, level: 2, count: pages / huge2 },
        ],
      },
    ],
    populate: 'all',
  }),
});
