/**
 * Memslots come and go beside the one that is being migrated.
 *
 * Deleting a slot marks it invalid, waits for SRCU readers and throws all translations away (kvm_mmu_zap_all_fast): every
 * vCPU has to let go of its root, the obsolete pages are zapped in batches that yield, and the split goes on in the tables
 * of the new generation. Moving the slot shows the same host memory at other gfns. While it is away, an access is MMIO.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'memslot-delete',
  summary: 'another memslot is deleted, created and moved: everything is zapped in the middle of the split',
  about:
    'L2 uses the migrated slot and a second one that user space deletes, creates again and moves. Each time all roots ' +
    'become obsolete, and the split meets tables that are about to go.',
  facts: ['A18', 'A19', 'A27', 'B-38', 'B-49', 'B-53', 'Q53'],
  defaults: { memory: '128M', backing: '2m', vcpus: 3 },
  explore: { memory: '32K', backing: '2m', castRounds: 2 },
  machine: (_p, { huge2, huge3, base, pages }) => {
    const extra = 2 * huge2;
    const second = Math.ceil((base + pages) / huge3) * huge3;
    const third = second + Math.ceil(extra / huge3) * huge3;
    return {
      roots: [
        {
          name: 'L2',
          mappings: [
            { l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 },
            { l2Gfn: pages, l1Gfn: second, level: 2, count: 2 },
            { l2Gfn: pages + extra, l1Gfn: third, level: 2, count: 2 },
          ],
        },
      ],
      populate: [{ access: 'write', l2Gfn: 0, count: pages / huge2 + 2, stride: huge2 }],
      extraSlots: [{ pages: extra }, { pages: extra, sharesMemoryOf: 2, gone: true }],
      cast: [{ kind: 'memslots', slots: [2, 3] }],
    };
  },
});
