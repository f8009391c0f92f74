/**
 * The split of one huge page against one invalidation: the host takes a page away while logging goes on. Small enough that
 * `prove` runs all of its behaviours. The vCPU stays outside the guest, with the page in its TLB.
 */
import { defineScenario } from '../src/scenario/define.ts';
import { enableDirtyLogging } from '../src/mmu/dirty-log.ts';
import { swapOut } from '../src/mmu/host/host-memory.ts';

export default defineScenario({
  name: 'tiny-notifier',
  summary: 'one huge page is split while the host swaps one of its pages out: small enough to be proved',
  about:
    'Logging goes on for a slot of one huge page, which is mapped, and an MMU notifier invalidates a page of it. The vCPU has ' +
    'the page in its TLB and is outside the guest. Made for prove, which runs every behaviour of it.',
  facts: ['3.1 E1', '3.5', '5.4', 'A9'],
  defaults: { vcpus: 1, memory: '64M', backing: '2m' },
  explore: {
    vcpus: 1,
    memory: '16K',
    backing: '2m',
    reschedRate: 0,
  },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: 'all',
    migration: false,
    guests: false,
    actors: [{ name: 'log-on' }, { name: 'swap-out' }],
  }),
  actors: {
    *'log-on'({ kvm, cpu }) {
      yield* enableDirtyLogging(kvm, cpu, kvm.slots[1]!);
    },
    *'swap-out'({ kvm, cpu }) {
      const slot = kvm.slots[1]!;
      yield* swapOut(kvm, cpu, slot, slot.baseGfn, slot.baseGfn + 1);
    },
  },
});
