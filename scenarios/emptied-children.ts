/**
 * Logging goes off and on again under aliases: tables that were emptied are filled once more.
 *
 * Turning logging off takes the 4K leaves out of the tables of a split and leaves the empty tables linked. A second alias
 * that is mapped huge only then is split into the same table: all of its entries are filled, and it gets a second parent.
 * Fourteen 4K addresses of each page, in tables that nobody uses any more, leave the reverse maps with full descriptors, so
 * that each of these adds takes a new one: the worst case that the split caches are made for (C11).
 */
import { defineScenario } from '../src/scenario/define.ts';

/** PTE_LIST_EXT: entries of a descriptor. */
const FULL = 14;

export default defineScenario({
  name: 'emptied-children',
  summary: 'the log goes off and on under aliases: a split fills an empty table that has a parent already',
  about:
    'Every page is mapped by two 2M entries, one of which L2 has not used before, and by fourteen 4K entries under another ' +
    'root. Nobody contends, so that the split caches run low by use alone; they are filled again at the last moment.',
  facts: ['1.3', '2.3', '3.6', '3.8', 'A17', 'C11', '7.4'],
  defaults: {
    memory: '6M',
    backing: '2m',
    castRounds: 20,
    reschedRate: 0,
    preempt: 'none',
    mmuPages: 400,
    rootSwitchRate: 0,
  },
  explore: {
    memory: '96K',
    tableBits: 3,
    rootLevel: 3,
    backing: '2m',
    vcpus: 3,
    rounds: 1,
    castRounds: 4,
    reschedRate: 0,
    preempt: 'none',
    mmuPages: 200,
    ops: 20,
    rootSwitchRate: 0,
  },
  machine: (_p, { huge2, base, pages }) => {
    const huge = pages / huge2;
    return {
      roots: [
        {
          name: 'two aliases',
          mappings: [
            { l2Gfn: 0, l1Gfn: base, level: 2, count: huge },
            { l2Gfn: pages, l1Gfn: base, level: 2, count: huge },
          ],
        },
        {
          name: 'fourteen aliases',
          mappings: Array.from({ length: FULL }, (_, i) => ({
            l2Gfn: i * pages,
            l1Gfn: base,
            level: 1 as const,
            count: pages,
          })),
        },
      ],
      populate: [
        { root: 1, access: 'read', l2Gfn: 0, count: FULL * pages },
        { root: 0, access: 'write', l2Gfn: 0, count: huge, stride: huge2 },
      ],
      cast: [{ kind: 'log-toggle' }],
    };
  },
});
