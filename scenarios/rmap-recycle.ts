/**
 * One page of L1 behind so many L2 addresses that its reverse map is thrown away again and again.
 *
 * An rmap head with more entries than RMAP_RECYCLE_THRESHOLD is emptied at once, the newest entry included, with a flush
 * (kernel-facts 1.3). Here L1 points a whole range of L2 addresses at one page, as it does for a zero page; every few faults the
 * entries of all the others go. The rest of the memory is mapped by 2 MiB pages and is split meanwhile. Map the shared page by
 * a huge page too (`huge`) and the split itself recycles it, which leaves a hole (H-A).
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'rmap-recycle',
  summary:
    'hundreds of L2 addresses of one page: its rmap list is recycled by faults while the rest is split',
  about:
    'The threshold is far below the 1,000 of KVM, so that lists overflow soon. With `huge` the shared page is part of a huge ' +
    'page too, and the split adds to the long list (finding H-A, a violation of P1).',
  facts: ['1.3', '3.7', 'Q22', 'Q35', 'H-A', 'B-14'],
  defaults: { memory: '64M', backing: '2m', recycleThreshold: 24 },
  explore: { memory: '32K', backing: '2m', recycleThreshold: 3, aliases: 12 },
  parameters: {
    aliases: { type: 'integer', min: 2, max: 4096, default: 64, describe: 'L2 addresses of the shared page' },
    huge: { type: 'boolean', default: false, describe: 'a 2M page covers the shared page as well (H-A)' },
  },
  machine: (p, { huge2, base, pages }) => {
    const shared = base + pages - huge2;
    const covered = p['huge'] === true ? pages : pages - huge2;
    return {
      roots: [
        {
          name: 'L2',
          mappings: [
            { l2Gfn: 0, l1Gfn: base, level: 2, count: covered / huge2 },
            { l2Gfn: pages, l1Gfn: shared, level: 1, count: Number(p['aliases']), l1Step: 0 },
          ],
        },
      ],
      populate: [{ access: 'write', l2Gfn: 0, count: covered / huge2, stride: huge2 }],
    };
  },
});
