/**
 * KVM has split a huge page of L1, and L1 splits it too, with a table that begins where the page began.
 *
 * L2 maps the huge page in which L1 keeps its spare tables. With the log on KVM has put a direct table of its own in its place, for
 * the gfn at which the page begins. Then L1 scatters the page: its first free table lies at that very gfn, and maps other pages than
 * before. A fault between L1's store and KVM's answer to it finds a table of the right gfn linked; that it is the wrong one only the
 * role tells (B-51, CVE-2026-53359). Its leaves would go into the reverse maps of other gfns than those by which they are taken out.
 */
import { defineScenario } from '../src/scenario/define.ts';
import { enableDirtyLogging } from '../src/mmu/dirty-log.ts';

export default defineScenario({
  name: 'table-in-page',
  summary: 'L1 scatters a page that KVM has split, by a table that lies where that page begins',
  about:
    'The log is turned on, so that the one huge page of L2 is split. An L1 vCPU puts a table in its place that lies at the gfn of ' +
    'the page: direct and indirect shadow pages of one gfn follow each other under one entry.',
  facts: ['A5', 'A8', 'B-51', 'Q10', 'Q11', 'Q12', 'Q19', 'Q24', '3.8'],
  defaults: { memory: '8M', backing: '2m', vcpus: 2, l1Vcpus: 1, castRounds: 2000, ops: 20_000 },
  explore: {
    memory: '48K',
    backing: '2m',
    vcpus: 2,
    l1Vcpus: 1,
    castRounds: 1,
    ops: 6,
    writeFraction: 0.8,
  },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base + pages - huge2, level: 2, count: 1 }] }],
    // The last huge page of the slot is L1's for tables, all of it spare.
    tables: 'migrated-slot',
    spareTables: huge2,
    populate: 'all',
    cast: [{ kind: 'l1-vcpu', weights: { scatter: 1 } }],
    migration: false,
    actors: [{ name: 'log-on' }],
  }),
  actors: {
    *'log-on'({ kvm, cpu }) {
      yield* enableDirtyLogging(kvm, cpu, kvm.slots[1]!);
    },
  },
});
