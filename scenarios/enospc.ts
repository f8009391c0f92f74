/**
 * Too few MMU pages to split everything.
 *
 * KVM_SET_NR_MMU_PAGES leaves room for a part of the tables only. The split refuses (-ENOSPC) as soon as five pages or
 * fewer are available, before it looks whether a child exists already; the pages it leaves stay huge, lose W, and are
 * split by write faults later. Those faults reclaim the oldest shadow pages, perhaps the very tables just made (C2).
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'enospc',
  summary: 'a tight MMU page limit: the split gives up with ENOSPC, faults reclaim and split lazily',
  about:
    'The limit covers about half of the tables that a full split needs. Every head after the limit is reached answers ' +
    '-ENOSPC; the write faults that follow reclaim in batches of 25 from the oldest end of the active list.',
  facts: ['3.5', '2.2', 'A21', 'C2', 'H-I', '7.4-10'],
  defaults: { memory: '1G', backing: '2m', mmuPages: 256 },
  explore: { memory: '64K', backing: '2m', mmuPages: 10 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: 'all',
  }),
});
