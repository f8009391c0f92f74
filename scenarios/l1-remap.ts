/**
 * L1 edits the very tables that KVM shadows, while their huge pages are being split.
 *
 * An L1 vCPU maps, unmaps, remaps and aliases pages for L2, takes permissions away, breaks huge entries into tables and
 * merges them again, and invalidates with INVEPT. Its writes to a shadowed table trap (A5) or let the table go out of sync
 * (A6); a split that runs meanwhile must never bring back what L1 took away, and what L1 builds anew must be logged from
 * its first write on. L1's tables lie in the migrated slot: they are guest memory like any other, and are compared too.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'l1-remap',
  summary: 'L1 maps, unmaps, aliases and merges its nested pages while they are being split',
  about:
    'An L1 vCPU runs through the TDP MMU and edits EPT12 in guest memory: emulated writes, tables out of sync, INVEPT. The ' +
    'L2 vCPUs run on what it leaves; the split meets entries that change between two of its steps.',
  facts: ['A5', 'A6', 'A7', 'A8', '5.2', 'D17', 'B-12'],
  defaults: { memory: '128M', backing: '2m', l1Vcpus: 1, vcpus: 2 },
  explore: { memory: '32K', backing: '2m', l1Vcpus: 1, castRounds: 4 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [
      {
        name: 'L2',
        mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }],
      },
    ],
    tables: 'migrated-slot',
    populate: 'all',
    cast: [{ kind: 'l1-vcpu' }],
    spareTables: 4,
  }),
});
