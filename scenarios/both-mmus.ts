/**
 * One memslot under both MMUs: L1 runs on the TDP MMU, L2 on shadow tables of the same pages.
 *
 * Enabling the log splits the shadow tables under mmu_lock held for write and the TDP tables under mmu_lock held for read,
 * where L1's faults go on beside it, and entries change by compare-exchange. Each page has translations in both; write
 * protection, aging, zapping and the dirty log have to reach both, and the flush at the end covers both.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'both-mmus',
  summary: 'L1 through the TDP MMU and L2 through shadow tables write to the same pages',
  about:
    'L1 vCPUs read and write all of the memory that L2 uses, and leave their nested tables alone. The TDP split competes ' +
    "with L1's faults under the read lock, the shadow split with L2's faults under the write lock.",
  facts: ['4.1', '4.2', '4.3', '4.4', 'A2', 'A3', 'C1'],
  defaults: { memory: '512M', backing: '1g', vcpus: 2, l1Vcpus: 2 },
  explore: { memory: '64K', backing: '1g', vcpus: 1, l1Vcpus: 1 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: 'all',
    cast: [{ kind: 'l1-vcpu', rounds: 0, weights: { read: 2, write: 3, exec: 1 } }],
  }),
});
