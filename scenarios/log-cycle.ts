/**
 * Logging goes off and on again on 1 GiB pages: a migration that is broken off and tried once more (H-G).
 *
 * Turning logging off zaps the 4 KiB leaves that could be huge (A17), but their tables stay linked, empty. The next fault
 * maps 1 GiB again and leaves the 2 MiB table without a parent. When logging goes on, the split of the 1 GiB page finds that
 * table by (gfn, role) and reuses it: nothing to fill in, all of it unmapped. What was to be an eager split has become a
 * storm of faults, one for each page, each under mmu_lock for write.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'log-cycle',
  summary: 'logging off and on again on 1 GiB pages: everything is zapped, faulted back and split anew',
  about:
    'User space turns logging off and on during the migration, and copies everything again. Compare the reused tables and ' +
    'the faults with those of nested-migration: after each log-on the vCPUs fault the whole memory in anew.',
  facts: ['A16', 'A17', 'H-G', 'B-43', '7.4-8', 'Q46'],
  defaults: { memory: '1G', backing: '1g', vcpus: 2, rounds: 2, castRounds: 1 },
  explore: { memory: '64K', backing: '1g', castRounds: 2 },
  machine: (_p, { huge3, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: 0, l1Gfn: base, level: 3, count: pages / huge3 }] }],
    populate: 'all',
    cast: [{ kind: 'log-toggle' }],
  }),
});
