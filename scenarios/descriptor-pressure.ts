/**
 * Many aliases of each page: lists that fill several descriptors.
 *
 * A head of one entry needs no descriptor, two to fourteen need one, and every further fourteen one more. With 20 or 33
 * aliases of equal permission the level-2 rmap lists and the parent lists of the shared children run over descriptor
 * borders; removal compacts within a descriptor only, which gives the split order 0, 13..1 and then the next descriptor.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'descriptor-pressure',
  summary: '20, 33 or any number of aliases of each page: rmap and parent lists over several descriptors',
  about:
    'Each 2 MiB page of L1 is mapped by `aliases` L2 entries of equal permission. One child serves them all; its parent ' +
    'list grows by one per split, and every split takes its SPTE out of the middle of a long rmap list.',
  facts: ['1.3', 'C11', 'Q21', 'H-A', 'D12'],
  defaults: { memory: '64M', backing: '2m' },
  explore: { memory: '16K', backing: '2m', aliases: 16 },
  parameters: {
    aliases: { type: 'integer', min: 2, max: 512, default: 33, describe: 'L2 addresses of each page' },
  },
  machine: (p, { huge2, base, pages }) => {
    const aliases = Number(p['aliases']);
    return {
      roots: [
        {
          name: 'aliased',
          mappings: Array.from({ length: pages / huge2 }, (_, page) => ({
            l2Gfn: page * aliases * huge2,
            l1Gfn: base + page * huge2,
            level: 2 as const,
            count: aliases,
            l1Step: 0,
          })),
        },
      ],
      populate: 'all',
    };
  },
});
