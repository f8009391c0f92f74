/**
 * L2 can write the pages that hold L1's nested tables for it.
 *
 * When KVM first shadows such a table it write-protects the page at every alias and must flush before mmu_lock is
 * dropped, or a CPU writes the table through a stale TLB entry and the shadow is out of date. Dirty logging takes W away
 * as well, but flushes late; so an SPTE with W=0 may still be cached writable, and only the MMU-writable bit tells
 * (B-04, B-07). Here tables are shadowed for the first time while the flush at the end of enabling is still owed.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'shadowed-tables',
  summary: "L2 maps the pages of L1's own nested tables, and tables are first shadowed while logging goes on",
  about:
    'L1 keeps its tables at the end of the migrated slot. L2 reaches them through 2 MiB entries and writes there; a second ' +
    'L2 range, mapped by 4 KiB tables that nobody has used yet, makes KVM shadow them in the middle of the migration.',
  facts: ['5.6', 'B-04', 'B-07', 'A8', 'D10', 'Q41'],
  defaults: { memory: '256M', backing: '2m' },
  explore: { memory: '128K', backing: '2m' },
  machine: (_p, { huge2, base, pages }) => {
    const tables = Math.min(4, Math.floor(pages / huge2 / 2));
    const identity = { l2Gfn: base, l1Gfn: base, level: 2 as const, count: pages / huge2 };
    return {
      roots: [
        { name: 'L2', mappings: [identity, { l2Gfn: 0, l1Gfn: base, level: 1, count: tables * huge2 }] },
      ],
      tables: 'migrated-slot',
      populate: [
        { access: 'write', l2Gfn: base, count: pages / huge2, stride: huge2 },
        { access: 'write', l2Gfn: base + pages - 2 * tables, count: 2 * tables },
      ],
    };
  },
});
