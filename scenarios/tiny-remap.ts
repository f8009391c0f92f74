/**
 * L1 gives an address of L2 another page, a fault finds that out, and the host takes the old page away: small enough to be proved.
 *
 * L1's table of level 1 is out of sync, so that its store does not trap. vCPU 0 has read the address, has the old page in its TLB, and
 * stays outside the guest; L1 has not executed INVEPT yet, and need not have. vCPU 1 writes the address, which the clean entry of L1 does
 * not let through: the fault walks L1's tables, drops the leaf of the old page, and flushes (5.2 step 8 b). After that no reverse
 * map names the old page, so that its notifier has nothing to flush for.
 */
import { Access, runVcpu, type Guest } from '../src/actors/run-vcpu.ts';
import { Op } from '../src/cpu/steps.ts';
import { swapOut } from '../src/mmu/host/host-memory.ts';
import { ACCESS_WRITE, gpteQ } from '../src/mmu/shadow/walk-addr.ts';
import { pfnHi, pfnLo } from '../src/mmu/spte.ts';
import { Vcpu } from '../src/mmu/vcpu.ts';
import { defineScenario } from '../src/scenario/define.ts';

const SMALL = { vcpus: 2, memory: '32K', backing: '4k', tableBits: 2, rootLevel: 3, reschedRate: 0 } as const;

/** L1's tables: the root, one of level 2, that of the address, that of the address of the latter. */
const TABLES = 4;
const LOWEST = 2;

/** One write to L2 gfn 0. */
class OneWrite implements Guest {
  readonly next = new Access();
  readonly burst = 1;
  readonly bounded = true;
  private left = 1;

  advance(): boolean {
    if (this.left-- === 0) return false;
    Object.assign(this.next, { root: 0, l2Gfn: 0, access: ACCESS_WRITE, done: false });
    return true;
  }
}

export default defineScenario({
  name: 'tiny-remap',
  summary:
    'L1 remaps an address, L2 faults on it, and the host takes the old page: small enough to be proved',
  about:
    'A fault replaces a leaf by one of another page, in a table that is out of sync, and flushes. Compare the flush backends: what a ' +
    'range names is the new page.',
  facts: ['5.2', '5.5', 'A6', 'A9', 'D7', 'Q49'],
  defaults: SMALL,
  explore: SMALL,
  machine: (_p, { huge2, base, pages }) => ({
    roots: [
      {
        name: 'L2',
        mappings: [
          { l2Gfn: 0, l1Gfn: base, level: 1, count: 1, dirty: false },
          { l2Gfn: huge2, l1Gfn: base + pages - TABLES + LOWEST, level: 1, count: 1 },
        ],
      },
    ],
    tables: 'migrated-slot',
    populate: [
      { access: 'read', l2Gfn: 0 },
      { access: 'write', vcpu: 1, l2Gfn: huge2, enters: true },
      { access: 'read', l2Gfn: 0, enters: true },
    ],
    migration: false,
    guests: false,
    actors: [{ name: 'remap' }, { name: 'swap-out' }],
  }),
  actors: {
    *remap({ kvm, cpu }) {
      const { tableGfn } = kvm.config;
      const q = gpteQ(kvm, tableGfn + LOWEST, 0);
      const gfn = kvm.slots[1]!.baseGfn + 1;
      const lo = (kvm.w[q * 2]! & 0xfff) | pfnLo(gfn);
      if (cpu.stepped && cpu.stops(Op.Store64, q * 2)) yield;
      cpu.store64(q, lo, pfnHi(gfn));
      kvm.observer.guestPte(cpu, tableGfn + LOWEST, q, lo, pfnHi(gfn));
      yield* runVcpu(new Vcpu(kvm, cpu, 1), new OneWrite());
    },
    *'swap-out'({ kvm, cpu }) {
      const slot = kvm.slots[1]!;
      yield* swapOut(kvm, cpu, slot, slot.baseGfn, slot.baseGfn + 1);
    },
  },
});
