/**
 * L1 takes rights away from whole tables and gives them back, before L2 has used them and while it does.
 *
 * What an entry of L1 permits holds for everything below it: KVM writes it into the role of the table below, and for another right wants
 * another table. A role made from too many entries (B-34, CVE-2021-38198) gives two ways the same page, and a table that is kept
 * although L1 has just changed what its entry permits (B-51) lets L2 do what the page says it may not.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'table-rights',
  summary:
    'L1 takes the rights to write and to execute from entries that point to tables, and gives them back',
  about:
    'Nothing is shadowed at first. An L1 vCPU flips W and X, mostly in entries that point to tables, while an L2 vCPU reads, writes ' +
    'and fetches below them: each fault makes its tables with what the way to them permits, or finds those of a while ago.',
  facts: ['A5', 'A7', 'A8', 'B-34', 'B-51', 'Q10', 'Q12', 'Q13', 'Q28'],
  defaults: {
    memory: '4M',
    backing: '4k',
    vcpus: 2,
    l1Vcpus: 1,
    castRounds: 2000,
    ops: 20_000,
    execFraction: 0.2,
  },
  explore: {
    memory: '16K',
    backing: '4k',
    vcpus: 1,
    l1Vcpus: 1,
    castRounds: 4,
    ops: 10,
    burst: 2,
    execFraction: 0.3,
  },
  machine: (_p, { base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 1, count: pages }] }],
    populate: [],
    cast: [{ kind: 'l1-vcpu', weights: { tableExec: 2, protect: 2 } }],
    migration: false,
  }),
});
