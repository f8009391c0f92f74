/**
 * A reused child that is only partly filled: the one case in which P1 flushes (0378739401cf).
 *
 * The iTLB multihit mitigation is on. L1 maps the same memory twice by 1 GiB entries. L2 has fetched from alias A, so KVM
 * split A's 1 GiB page by fault and filled only what was executed. Alias B was only written and is still one 1 GiB page.
 * When logging goes on, the split of B finds A's level-2 table under the same (gfn, role) and links it: most of what B
 * mapped is now a hole. TLBs may hold B's 1 GiB translation, so it has to be flushed; a later unmap of a gfn in the hole
 * would find no SPTE and flush nothing.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'nx-partial-reuse',
  summary:
    'one alias was split by NX and is full of holes, the other is still 1 GiB: the split reuses the partial table',
  about:
    'With nx_huge_pages on, alias A was executed (split by fault, mostly empty below) and alias B was written (one 1 GiB ' +
    'leaf). The eager split of B reuses the partly filled table of A. Leave the flush out and TLBs keep a 1 GiB ' +
    'translation over holes.',
  facts: ['C3', 'C14', '7.4-7', 'Q35', 'Q50', '9.4'],
  defaults: { memory: '1G', backing: '1g', nx: true },
  explore: { memory: '64K', backing: '1g', nx: true, execFraction: 0.2 },
  machine: (_p, { huge3, base, pages }) => {
    const giants = Math.max(1, Math.floor(pages / huge3));
    return {
      roots: [
        {
          name: 'A and B',
          mappings: [
            { l2Gfn: 0, l1Gfn: base, level: 3, count: giants },
            { l2Gfn: giants * huge3, l1Gfn: base, level: 3, count: giants },
          ],
        },
      ],
      populate: [
        { access: 'exec', l2Gfn: 1, count: giants, stride: huge3 },
        { access: 'write', l2Gfn: giants * huge3 + 2, count: giants, stride: huge3 },
      ],
    };
  },
});
