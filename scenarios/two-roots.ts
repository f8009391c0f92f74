/**
 * Two nested page tables over overlapping memory, with the vCPUs switching between them.
 *
 * Each root has its own indirect shadow pages, but direct children are found by (gfn, role): with equal roles the second
 * root's split reuses the first one's children across roots. With `smep` the roles differ, nothing is shared, and every
 * 4 KiB rmap head becomes a list.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'two-roots',
  summary: 'two nested roots over the same memory: children shared between roots, or not, by role',
  about:
    'L1 runs two L2 guests (or one with two EPT12) over the same pages. The vCPUs change roots now and then; their TLB ' +
    'entries are tagged with the root. `smep` gives the second root a role of its own.',
  facts: ['3.8', '1.7', 'Q3', 'Q12'],
  defaults: { memory: '512M', backing: '2m' },
  explore: { memory: '32K', backing: '2m' },
  parameters: {
    smep: { type: 'boolean', default: false, describe: 'L1 uses CR4.SMEP with the second root: other roles' },
  },
  machine: (p, { huge2, base, pages }) => ({
    roots: [
      { name: 'A', mappings: [{ l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 }] },
      {
        name: 'B',
        smep: p['smep'] === true,
        mappings: [{ l2Gfn: pages, l1Gfn: base, level: 2, count: pages / huge2 }],
      },
    ],
    populate: 'all',
  }),
});
