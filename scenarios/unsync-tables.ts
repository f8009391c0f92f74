/**
 * L1's lowest tables go out of sync, change their place and point at what is not there.
 *
 * A table of level 1 that L1 writes is not write-protected for long: KVM lets its shadow page go out of sync and looks at it
 * again when L1 executes INVEPT, or when the table is linked somewhere. So L1 here breaks huge entries into tables and merges
 * them, which gives a table a second life under another entry; it leaves an entry nothing but the right to execute; and it
 * points entries at a gfn that no memslot has.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'unsync-tables',
  summary: 'tables of L1 go out of sync, are linked again elsewhere, and map what is not there',
  about:
    'An L1 vCPU breaks huge entries and merges them, protects entries and whole tables, makes entries execute-only and ' +
    'remaps 4K pages, also to gfns of a memslot that does not exist. Its writes to level-1 tables do not trap once the ' +
    'shadow page is out of sync; what L2 may use is decided by the sync at INVEPT and at the link.',
  facts: ['A6', 'A7', 'B-31', 'B-35', 'B-45', 'Q11', 'Q17', 'Q23', 'Q49'],
  defaults: { memory: '128M', backing: '2m', vcpus: 2, l1Vcpus: 1 },
  explore: {
    memory: '32K',
    backing: '2m',
    vcpus: 2,
    l1Vcpus: 1,
    castRounds: 8,
    rounds: 1,
    execFraction: 0.3,
  },
  machine: (_p, { huge2, huge3, base, pages }) => {
    const hole = Math.ceil((base + pages) / huge3) * huge3;
    const reach = Math.ceil(pages / huge3) * huge3;
    return {
      roots: [
        {
          name: 'L2',
          mappings: [
            { l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 },
            { l2Gfn: reach, l1Gfn: base, level: 1, count: Math.min(huge2, pages) },
          ],
        },
      ],
      populate: 'all',
      extraSlots: [{ pages: huge2, gone: true, baseGfn: hole }],
      cast: [
        {
          kind: 'l1-vcpu',
          slots: [1, 2],
          weights: {
            write: 1,
            map: 3,
            remap: 2,
            protect: 1,
            executeOnly: 2,
            tableExec: 2,
            hugeToTable: 5,
            tableToHuge: 2,
            unmapTable: 2,
          },
        },
      ],
      spareTables: 2,
    };
  },
});
