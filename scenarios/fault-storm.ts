/**
 * Many vCPUs fault on memory that nobody has touched yet, while the split walks the slot.
 *
 * Every nested fault takes mmu_lock for write, and so does the split: it drops the lock for each waiter, and with many
 * waiters it hardly holds it (C10). Half of the memory is mapped huge before the migration, so there is something to
 * split; the other half is faulted in as 4 KiB pages by all vCPUs at once.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'fault-storm',
  summary: 'many vCPUs fault on untouched memory while the other half is being split',
  about:
    'Half of the 2 MiB pages are mapped when logging goes on; the vCPUs fault in the rest. Watch EAGAIN rounds without a ' +
    'split, splits per hold, and the time from the first waiter to the drop.',
  facts: ['5.2', '3.6', 'C10', 'H-A', '8.2'],
  defaults: { memory: '256M', backing: '2m', vcpus: 8, burst: 32, rounds: 6 },
  explore: { memory: '32K', backing: '2m', vcpus: 4, burst: 2 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: [{ access: 'write', l2Gfn: 0, count: pages / huge2 / 2, stride: 2 * huge2 }],
  }),
});
