/**
 * The smallest machine in which everything meets: one huge page that a thread splits because logging goes on, and one access of
 * an L2 vCPU that walks, faults or waits at the same time. Small enough that `prove` runs all of its behaviours.
 *
 * There is no migration: the thread in the ioctl turns logging on and is done. With `--ops` and `--vcpus` it grows.
 */
import { defineScenario } from '../src/scenario/define.ts';
import { enableDirtyLogging } from '../src/mmu/dirty-log.ts';

export default defineScenario({
  name: 'tiny-split',
  summary: 'one huge page is split while one vCPU makes one access: small enough to be proved',
  about:
    'Logging goes on for a slot of one huge page, which is mapped; an L2 vCPU reads or writes it once. Nothing is drawn but the ' +
    'access. Made for prove, which runs every behaviour of it.',
  facts: ['3.1 E1', '3.5', '3.7', '3.10'],
  defaults: { vcpus: 2, memory: '64M', backing: '2m', ops: 20_000 },
  explore: {
    vcpus: 1,
    memory: '16K',
    backing: '2m',
    ops: 1,
    burst: 1,
    reschedRate: 0,
    rootSwitchRate: 0,
    writeFraction: 1,
  },
  parameters: {
    wasRead: { type: 'boolean', default: false, describe: 'L2 has only read its memory so far' },
  },
  machine: (p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate:
      p['wasRead'] === true ? [{ access: 'read', l2Gfn: base, count: pages / huge2, stride: huge2 }] : 'all',
    migration: false,
    actors: [{ name: 'log-on' }],
  }),
  actors: {
    *'log-on'({ kvm, cpu }) {
      yield* enableDirtyLogging(kvm, cpu, kvm.slots[1]!);
    },
  },
});
