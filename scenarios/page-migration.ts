/**
 * The host moves guest pages to other frames: compaction, NUMA balancing, KSM.
 *
 * The contents go to a new frame between notifier start and end; the old frame is freed, poisoned and used again for
 * another page. What makes it hard for the split: a huge page loses one of its 4 KiB pages, so that the host no longer maps
 * it as one, and a child that the split fills from an older snapshot of the entry would map the old frame. With 1 GiB pages
 * a single moved page invalidates a table of tables.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'page-migration',
  summary: 'the host moves pages to other frames and uses the old ones for others',
  about:
    'Aliases of equal permission and an L1 vCPU see the same pages through several tables. Pages move between frames all ' +
    'the time; every frame that is given up is poisoned and comes back under another page.',
  facts: ['A9', 'A11', '5.4', 'B-39', 'D17'],
  defaults: { memory: '256M', backing: '2m', l1Vcpus: 1, vcpus: 3 },
  explore: { memory: '16K', backing: '2m', castRounds: 3 },
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
    cast: [{ kind: 'mmu-notifier', weights: { migrate: 3, collapse: 1 } }],
  }),
});
