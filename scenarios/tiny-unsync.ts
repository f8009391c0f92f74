/**
 * The split that meets a page out of sync: the flush place F7 (kernel-facts 9.4), in the smallest machine that comes to it.
 *
 * Two 1 GiB pages are split in turn, both into tables that were emptied when logging was off (H-G), so that each is a hole
 * afterwards. At the first page of the second L1 keeps a table of level 1. KVM has shadowed it when the huge page was there already, which
 * is read-only since, and still huge. L2 has written the table through an address that KVM maps by 4 KiB: the shadow page
 * is out of sync. The split looks for a child of the same gfn, finds that page in the way, and zaps it, with a full flush. The host takes
 * one of the pages away meanwhile. The vCPU stays outside the guest, with both huge pages in its TLB.
 */
import { defineScenario } from '../src/scenario/define.ts';
import { enableDirtyLogging } from '../src/mmu/dirty-log.ts';
import { swapOut } from '../src/mmu/host/host-memory.ts';

const SMALL = {
  vcpus: 1,
  memory: '192K',
  backing: '1g',
  tableBits: 2,
  rootLevel: 4,
  reschedRate: 0,
} as const;

export default defineScenario({
  name: 'tiny-unsync',
  summary: "a split zaps one of L1's tables that is out of sync and in its way: small enough to be proved",
  about:
    'A shadowed table of L1 at the first page of a 1 GiB page is out of sync when logging goes on. P3 owes a flush for the ' +
    'split before when it comes to it (F7); the host takes a page away meanwhile.',
  facts: ['F7', '9.4', '3.8', 'A6', 'Q17', 'Q35', 'D7'],
  defaults: SMALL,
  explore: SMALL,
  parameters: {
    taken: {
      type: 'integer',
      min: 1,
      max: 2,
      default: 1,
      describe: 'which of the two huge pages the host takes away',
    },
  },
  machine: (p, { huge2, huge3, base, pages }) => {
    // The second is the last of the slot; L1's upper tables are in the page before it.
    const second = base + pages - huge3;
    const both = { l2Gfn: 0, count: 2, stride: huge3, enters: true } as const;
    const small = 4 * huge3;
    return {
      roots: [
        {
          name: 'L2',
          mappings: [
            { l2Gfn: 0, l1Gfn: base, level: 3, count: 2, l1Step: second - base },
            { l2Gfn: small, l1Gfn: base + huge3, level: 1, count: 1 },
            { l2Gfn: small + huge2, l1Gfn: second, level: 1, count: 1 },
          ],
        },
      ],
      // Six tables: the root, two of level 3, one of level 2, two of level 1. The fifth lies at the first page of the second huge page.
      tables: 'migrated-slot',
      spareTables: huge3 - 2,
      populate: [
        { ...both, access: 'write' },
        { logCycle: 1 },
        { ...both, access: 'write' },
        // KVM shadows the fifth table, and then L2 writes it.
        { access: 'read', l2Gfn: small, enters: true },
        { access: 'write', l2Gfn: small + huge2, enters: true },
        { ...both, access: 'read' },
      ],
      migration: false,
      guests: false,
      actors: [{ name: 'log-on' }, { name: 'swap-out', options: { taken: p['taken'] } }],
    };
  },
  actors: {
    *'log-on'({ kvm, cpu }) {
      yield* enableDirtyLogging(kvm, cpu, kvm.slots[1]!);
    },
    *'swap-out'({ kvm, cpu }, { taken }) {
      const slot = kvm.slots[1]!;
      const gfn = taken === 1 ? slot.baseGfn : slot.baseGfn + slot.npages - kvm.pages(3);
      yield* swapOut(kvm, cpu, slot, gfn, gfn + 1);
    },
  },
});
