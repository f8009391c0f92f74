/**
 * L1 has one table to spare, and moves it from entry to entry.
 *
 * L1 breaks a huge entry into its table, merges it again, and breaks the next one into the same table. KVM still has the shadow page of
 * the table's former life; while L1 fills the table anew that page goes out of sync, as L1's lowest tables do, and L1 owes no
 * INVEPT for an entry that it makes present. What the page maps must therefore be looked at when it is linked again (B-31).
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'moved-table',
  summary: 'one table of L1 is filled, used, emptied and linked under another entry',
  about:
    'An L1 vCPU breaks and merges huge entries and has a single table for that, so that each shadow page of it is found again ' +
    'with leaves of the entry that it served before. One L2 vCPU uses what it finds.',
  facts: ['A5', 'A6', 'A7', 'B-31', 'Q11', 'Q17', 'Q49'],
  defaults: { memory: '64M', backing: '2m', vcpus: 2, l1Vcpus: 1, castRounds: 2000, ops: 20_000 },
  explore: { memory: '32K', backing: '2m', vcpus: 1, l1Vcpus: 1, castRounds: 6, ops: 20, burst: 1 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: 'all',
    cast: [{ kind: 'l1-vcpu', weights: { hugeToTable: 1, tableToHuge: 1 } }],
    spareTables: 1,
    migration: false,
  }),
});
