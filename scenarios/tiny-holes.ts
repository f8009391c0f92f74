/**
 * The split that leaves holes, against one invalidation of them: what needs a flush, in the smallest machine that has it.
 *
 * Logging was on once and off again, so that the tables of that time are there and empty, and 1 GiB pages were mapped over them (H-G).
 * The vCPU has those in its TLB and stays outside the guest. When logging goes on once more each split links such a table: all of
 * the page is a hole. The host then takes the page away, finds no SPTE, and flushes for nothing. Small enough that `prove` runs
 * all schedules with few preemptions.
 */
import { defineScenario } from '../src/scenario/define.ts';
import { clearDirtyLog, enableDirtyLogging } from '../src/mmu/dirty-log.ts';
import { swapOut } from '../src/mmu/host/host-memory.ts';
import { KVM } from '../src/mmu/kvm.ts';

/** Every bit of each word: what user space clears before it copies. */
const ALL = { lo: -1, hi: -1 };

export default defineScenario({
  name: 'tiny-holes',
  summary:
    'a 1 GiB page is split into an empty table while the host takes it away: small enough to be proved',
  about:
    'Logging goes on for the second time, so that every split reuses tables that were emptied; an MMU notifier invalidates the ' +
    'first 1 GiB page. Each place at which a deferred flush is due (9.4) can be told from the damage.',
  facts: ['C3', 'C6', 'H-G', '7.4-8', '9.4', 'Q35', 'Q50', 'D7', 'A9'],
  defaults: { vcpus: 1, memory: '1G', backing: '1g' },
  explore: { vcpus: 1, memory: '64K', backing: '1g', reschedRate: 0 },
  machine: (_p, { huge3, base, pages }) => {
    const giants = {
      access: 'write',
      l2Gfn: base,
      count: Math.max(1, pages / huge3),
      stride: huge3,
    } as const;
    return {
      roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 3, count: giants.count }] }],
      // The last access finds the page mapped, and its translation outlives the flush of the fault before.
      populate: [giants, { logCycle: 1 }, { ...giants, enters: true }, { ...giants, enters: true }],
      migration: false,
      guests: false,
      actors: [{ name: 'log-on' }, { name: 'swap-out' }],
    };
  },
  actors: {
    *'log-on'({ kvm, cpu }) {
      const slot = kvm.slots[1]!;
      yield* enableDirtyLogging(kvm, cpu, slot);
      if (kvm.get(KVM.manualProtect) !== 0) yield* clearDirtyLog(kvm, cpu, slot, 0, slot.npages, ALL);
    },
    *'swap-out'({ kvm, cpu }) {
      const slot = kvm.slots[1]!;
      yield* swapOut(kvm, cpu, slot, slot.baseGfn, slot.baseGfn + 1);
    },
  },
});
