/**
 * Four L2 addresses for every L1 page: rwx, rx, rw and r.
 *
 * Roles differ in their access, so each alias gets a child of its own and the 4 KiB rmap heads become lists of four. The
 * rmap walk takes the head of the list, and removal moves the last entry into the hole: the aliases split in the order 0,
 * 3, 2, 1. A child that were shared between them would give an alias what L1 never granted (B-12, B-13).
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'alias-mixed-access',
  summary:
    'every page is mapped four times with different permissions: four roles, four children, lists in every rmap',
  about:
    'L1 maps its memory at four L2 ranges by 2 MiB entries with rwx, rx, rw and r. Each split fills 512 rmap heads that ' +
    'hold entries already, so descriptors are consumed at full rate and every second split has to refill the cache.',
  facts: ['3.8', 'B-12', 'B-13', 'Q10', 'Q28', 'C11'],
  defaults: { memory: '256M', backing: '2m', execFraction: 0.1 },
  explore: { memory: '16K', backing: '2m', execFraction: 0.2 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [
      {
        name: 'aliased',
        mappings: (['rwx', 'rx', 'rw', 'r'] as const).map((perm, alias) => ({
          l2Gfn: alias * pages,
          l1Gfn: base,
          level: 2 as const,
          count: pages / huge2,
          perm,
        })),
      },
    ],
    populate: 'all',
  }),
});
