/**
 * The host looks which pages are young, while the split copies A bits around.
 *
 * With A and D bits aging clears A in leaves of any size, with or without a flush. Without them (`--no-host-ad-bits`) it marks
 * an SPTE for access tracking instead: R, W and X move to saved bits and the entry looks non-present to hardware. A huge page
 * in that state is split like any other, and every child must carry the saved bits, or L2 loses a permission or gains one.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'aging',
  summary: 'pages are aged, with A bits or by access tracking, before and while they are split',
  about:
    'test_young, clear_young and clear_flush_young run against the split and the write protection. `hostAdBits` off takes ' +
    'A and D bits away from host and L1: then aging takes the permissions out of the entries.',
  facts: ['A12', '2.6', '2.7', '3.9', 'B-03', 'H-C'],
  defaults: { memory: '256M', backing: '2m', l1Vcpus: 1, vcpus: 3 },
  explore: { memory: '16K', backing: '2m', l1Vcpus: 1, castRounds: 3 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: 'all',
    cast: [{ kind: 'page-aging' }],
  }),
});
