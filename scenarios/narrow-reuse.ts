/**
 * A reused child whose leaves permit less than the huge page they take the place of (H-B).
 *
 * The iTLB multihit mitigation is on. Alias A was fetched from, so that its 2 MiB pages were split by fault; alias B was
 * written and maps 2 MiB pages. The split of B finds A's children, complete, and keeps their leaves. If the host had the pages
 * read-only when L2 fetched (variant `host-pages-read-only-at-first`), those leaves have neither W nor MMU-writable, TLBs have
 * B's W, and P1 does not flush. A third range has tables nobody has used yet, inside the memory that A and B map: who shadows
 * one while logging goes on finds nothing to take away and does not flush either (D10).
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'narrow-reuse',
  summary: 'one alias was split by NX, the other maps huge pages: the split keeps the leaves of the first',
  about:
    'Every split finds a child that is complete. With host-pages-read-only-at-first its leaves are narrower than the huge ' +
    'page, and the flush that P1 leaves out is missed (H-B); P0 and P2 flush.',
  facts: ['H-B', 'C8', 'C14', '3.7', 'D10', '5.6'],
  defaults: { memory: '64M', backing: '2m', nx: true, execFraction: 0.05 },
  explore: { memory: '128K', backing: '2m', nx: true, rootLevel: 4, vcpus: 3, ops: 4 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [
      {
        name: 'L2',
        mappings: [
          { l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 },
          { l2Gfn: base + 4 * pages, l1Gfn: base, level: 2, count: pages / huge2 },
          { l2Gfn: 0, l1Gfn: base, level: 1, count: Math.min(32, pages) },
        ],
      },
    ],
    tables: 'migrated-slot',
    populate: [
      { access: 'read', l2Gfn: 0 },
      { access: 'exec', l2Gfn: base, count: pages / huge2, stride: huge2 },
      ...[0, 1].map((vcpu) => ({
        access: 'write' as const,
        vcpu,
        l2Gfn: base + 4 * pages,
        count: pages / huge2,
        stride: huge2,
      })),
    ],
  }),
});
