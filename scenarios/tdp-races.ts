/**
 * L1's vCPUs against the split of the TDP MMU, where everybody holds mmu_lock for read.
 *
 * Splits, faults and the pass that turns logging off change entries beside each other by compare-and-exchange, the fast path and
 * hardware without any lock. Aging takes A away, so the processor sets it again between the split's look and its exchange
 * (-EBUSY, 4.2 step 6); fetches from huge NX pages and the end of logging freeze entries (REMOVED) that others meet; tables
 * that are cut off wait for RCU.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'tdp-races',
  summary: "L1's vCPUs fault, age, fetch and toggle the log against the TDP split, all under the read lock",
  about:
    'Nearly everything here happens in EPT01. Watch the retries of the split, the frozen entries met, the fast page faults and ' +
    'how long RCU keeps tables; L2 has one vCPU, for company.',
  facts: ['4.2', '4.3', '4.5', '5.3', 'A2', 'A3', 'A12', 'A17', 'C4', 'D5', 'D15', 'D25'],
  defaults: {
    memory: '256M',
    backing: '2m',
    vcpus: 1,
    l1Vcpus: 3,
    nx: true,
    psc: 16,
    rounds: 4,
  },
  explore: {
    memory: '16K',
    backing: '2m',
    vcpus: 1,
    l1Vcpus: 2,
    nx: true,
    psc: 4,
    castRounds: 1,
  },
  machine: (p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: 'all',
    cast: [
      { kind: 'l1-vcpu', rounds: 0, weights: { read: 2, write: 3, exec: 3 } },
      { kind: 'page-aging', rounds: 4 * p.castRounds },
      { kind: 'log-toggle' },
    ],
  }),
});
