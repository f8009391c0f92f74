/**
 * tdp_mmu=N: the legacy MMU maps L1 as well, and KVM never splits eagerly.
 *
 * Both entry points of the split return at once without the TDP MMU (C1). L1's own memory is mapped by direct shadow pages
 * with rmaps, faults take mmu_lock for write, and huge pages are split by the first write to each. The dirty log must be as
 * complete as with eager splitting; only the price is paid by the vCPUs, during the migration. A second root is not nested at
 * all: the page table of a process of L1's, shadowed as without any extended page tables.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'legacy-shadow',
  summary: 'without the TDP MMU: L1 and L2 in shadow tables, nothing split eagerly, everything by faults',
  about:
    'L1 and L2 write to the same pages; both are mapped by the legacy MMU. Enabling the log write-protects huge pages, and ' +
    'each first write to one splits it by a fault.',
  facts: ['C1', '3.1', '5.2', '2.6'],
  defaults: { memory: '256M', backing: '2m', tdpMmu: false, eager: false, vcpus: 2, l1Vcpus: 2 },
  explore: {
    memory: '32K',
    backing: '2m',
    tdpMmu: false,
    eager: false,
    l1Vcpus: 1,
  },
  machine: (p, { huge2, base, pages }) => ({
    roots: [
      { name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }] },
      {
        name: "a process of L1's",
        // With the TDP MMU every shadow page is nested (Q14).
        guestMode: p.tdpMmu,
        mappings: [{ l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 }],
      },
    ],
    populate: 'all',
    cast: [{ kind: 'l1-vcpu', rounds: 0, weights: { read: 2, write: 3, exec: 1 } }],
  }),
});
