// Faults that find the world changed, and writes to pages that hold L1's tables (kernel-facts 5.2, A8, D17).
import { describe, expect, it } from 'vitest';
import { HELD_MMU_WRITE } from '../../../src/cpu/cpu.ts';
import { RET_PF_EMULATE, RET_PF_FIXED, RET_PF_RETRY } from '../../../src/mmu/errno.ts';
import { isWritable } from '../../../src/mmu/format.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { pageFault } from '../../../src/mmu/shadow/fault.ts';
import { ACCESS_READ, ACCESS_WRITE, gpteQ } from '../../../src/mmu/shadow/walk-addr.ts';
import { pageGetGfn } from '../../../src/mmu/shadow-page.ts';
import { Vcpu } from '../../../src/mmu/vcpu.ts';
import { Bench, identity, leaves, machineOf } from '../../support/machines.ts';
import { Stage, twice } from '../../support/programs.ts';

const fault = (bench: Bench, page: number, access: number, present = false): number =>
  bench.run(pageFault(bench.vcpu(), bench.slot.baseGfn + page, access, present));
const one = (): Bench => new Bench(machineOf(identity(3, [])));

describe('a fault that has been overtaken', () => {
  it('installs nothing while its range is being invalidated (D17)', () => {
    const bench = one();
    bench.kvm.put(KVM.invalidateInProgress, 1);
    bench.kvm.put(KVM.invalidateStart, bench.slot.baseGfn);
    bench.kvm.put(KVM.invalidateEnd, bench.slot.baseGfn + bench.slot.npages);
    expect(fault(bench, 0, ACCESS_READ)).toBe(RET_PF_RETRY);
    expect(leaves(bench.kvm, 3)).toEqual([]);
    bench.kvm.put(KVM.invalidateInProgress, 0);
    expect(fault(bench, 0, ACCESS_READ)).toBe(RET_PF_FIXED);
  });
});

describe('L1 that edits its tables between the walk and the lock', () => {
  /** Runs a read fault up to the lock, changes an entry of L1's table of `level` if there is one, and goes on. */
  const race = (level: number): { result: number; leaves: number } =>
    twice(() => {
      const { kvm, slot } = new Bench(machineOf(identity(2, []), { backing: '2m' }));
      let result = 0;
      const stage = new Stage(kvm.arena, [
        function* (cpu) {
          result = yield* pageFault(new Vcpu(kvm, cpu, 0), slot.baseGfn, ACCESS_READ, false);
        },
      ]);
      stage.runUntil(0, () => (stage.cpus[0]!.held & HELD_MMU_WRITE) !== 0);
      // The root is table 0 with the entry of the slot at 2, and below it table 1.
      const q =
        level === 3
          ? gpteQ(kvm, kvm.config.tableGfn, slot.baseGfn / 16)
          : gpteQ(kvm, kvm.config.tableGfn + 1, 0);
      if (level > 0) kvm.arena.put(q * 2, 0);
      stage.finish(0);
      return { stage, result: { result, leaves: leaves(kvm, 2).length } };
    });

  it('is noticed where a table is entered: the fault starts over and maps nothing', () => {
    expect(race(2)).toEqual({ result: RET_PF_RETRY, leaves: 0 });
  });

  it('is noticed in the root too', () => {
    expect(race(3)).toEqual({ result: RET_PF_RETRY, leaves: 0 });
  });

  it('does not disturb a fault whose tables stay as they are', () => {
    expect(race(0)).toEqual({ result: RET_PF_FIXED, leaves: 1 });
  });
});

describe('a write to a page that holds a shadowed table', () => {
  const tables = (): Bench =>
    new Bench(
      machineOf(
        ({ base, huge2, pages }) => ({
          roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }] }],
          tables: 'migrated-slot',
          populate: [],
        }),
        { backing: '2m' },
      ),
    );

  it('is emulated: it arrives, the page stays read-only, and other pages do not', () => {
    const bench = tables();
    const { kvm } = bench;
    // Two tables of L1 at the end of the slot: the root is shadowed from the start.
    const page = kvm.config.tableGfn - bench.slot.baseGfn;
    const at = kvm.layout.memory + bench.slot.pfn(kvm.config.tableGfn);
    expect(fault(bench, page, ACCESS_WRITE)).toBe(RET_PF_EMULATE);
    expect(kvm.w[at]).toBe(1);
    expect(fault(bench, page, ACCESS_WRITE, true)).toBe(RET_PF_EMULATE);
    expect(kvm.w[at]).toBe(2);
    const mine = leaves(kvm, 1).filter(({ sp, index }) => pageGetGfn(kvm, sp, index) >= kvm.config.tableGfn);
    expect(mine.length).toBeGreaterThan(0);
    expect(mine.some(({ lo }) => isWritable(lo))).toBe(false);
    expect(fault(bench, 0, ACCESS_WRITE)).toBe(RET_PF_FIXED);
  });

  it('is what is emulated, and not a read of it', () => {
    const bench = tables();
    expect(fault(bench, bench.kvm.config.tableGfn - bench.slot.baseGfn, ACCESS_READ)).toBe(RET_PF_FIXED);
    expect(bench.kvm.w[bench.kvm.layout.memory + bench.slot.pfn(bench.kvm.config.tableGfn)]).toBe(0);
  });
});
