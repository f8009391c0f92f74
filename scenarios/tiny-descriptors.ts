/**
 * The split that needs the most descriptors there can be: one for each of its 4 KiB rmap heads, and one for the parent list.
 *
 * L2 has fetched from alias A, so that its 2 MiB page was split by fault (NX), and its child has one parent, A. The leaves in
 * it are thrown away because their rmap heads have become too long (recycling, with a threshold of 2). A third range of L2 addresses
 * maps each page by a 4 KiB entry: each head has exactly one entry, and needs a descriptor for the second. Alias B was written
 * and is still one 2 MiB page. Its split finds A's empty child: all entries are added to heads of one entry, and B to a list
 * of one parent. With 512 entries in a table that is 513.
 */
import { defineScenario } from '../src/scenario/define.ts';
import { enableDirtyLogging } from '../src/mmu/dirty-log.ts';

export default defineScenario({
  name: 'tiny-descriptors',
  summary: 'a split that takes a descriptor for every 4K reverse map and one for the parent list: 513',
  about:
    'The child of the split is there, empty, with one parent, and each reverse map has one entry. Every add needs a new ' +
    'descriptor: the split takes as many as the topup sees to (C11), and one less would not do.',
  facts: ['C11', '2.3', '1.3', '3.7'],
  defaults: { memory: '2M', backing: '2m', nx: true, recycleThreshold: 2, ops: 1000, vcpus: 2 },
  explore: {
    memory: '16K',
    backing: '2m',
    nx: true,
    recycleThreshold: 2,
    vcpus: 1,
    ops: 1,
    burst: 1,
    reschedRate: 0,
    rootSwitchRate: 0,
  },
  machine: (_p, { huge2, base, pages }) => {
    // What the fetch maps besides its own page (prefetching, kernel-facts 5.2).
    const near = Math.min(8, huge2);
    return {
      roots: [
        {
          name: 'L2',
          mappings: [
            { l2Gfn: 0, l1Gfn: base, level: 2, count: 1 },
            { l2Gfn: pages, l1Gfn: base, level: 2, count: 1 },
            { l2Gfn: 2 * pages, l1Gfn: base, level: 1, count: huge2 },
            { l2Gfn: 3 * pages, l1Gfn: base, level: 1, count: near },
            { l2Gfn: 4 * pages, l1Gfn: base, level: 1, count: near },
          ],
        },
      ],
      populate: [
        // A's child with its first leaves, then the heads of all pages, then one entry too many at the first heads, which
        // then have the entry of the fault alone.
        { access: 'exec', l2Gfn: 0 },
        { access: 'read', l2Gfn: 2 * pages, count: huge2 },
        { access: 'read', l2Gfn: 3 * pages, count: near },
        { access: 'read', l2Gfn: 4 * pages },
        { access: 'write', l2Gfn: pages },
      ],
      migration: false,
      actors: [{ name: 'log-on' }],
    };
  },
  actors: {
    *'log-on'({ kvm, cpu }) {
      yield* enableDirtyLogging(kvm, cpu, kvm.slots[1]!);
    },
  },
});
