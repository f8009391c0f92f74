import { describe, expect, it } from 'vitest';
import { countGuestTables, loadRoot, rootRole } from '../../src/mmu/boot.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import { roleAccess, roleAdDisabled, roleDirect, roleGuestMode, roleLevel } from '../../src/mmu/role.ts';
import { spGfn, spRole, spRootCount } from '../../src/mmu/shadow-page.ts';
import { gpteQ } from '../../src/mmu/shadow/walk-addr.ts';
import { sptePfn } from '../../src/mmu/format.ts';
import { VCPU } from '../../src/mmu/vcpu-words.ts';
import { activePages, Bench, identity, machineOf } from '../support/machines.ts';
import type { MachineSpec, Units } from '../../src/scenario/define.ts';
import { hex } from '../support/spte-text.ts';

/** Two roots; the mappings of the first need tables of level 2 and 1, in two places. */
const twoRoots = ({ base, huge2, huge3 }: Units): MachineSpec => ({
  roots: [
    {
      name: 'A',
      mappings: [
        { l2Gfn: 0, l1Gfn: base, level: 2, count: 1 },
        { l2Gfn: huge3 + huge2, l1Gfn: base, level: 1, count: huge2 + 1, perm: 'rx', dirty: false },
      ],
    },
    {
      name: 'B',
      smep: true,
      mappings: [{ l2Gfn: 2 * huge3, l1Gfn: base, level: 3, count: 1, perm: 'r', accessed: false }],
    },
  ],
  populate: [],
});

const BY_NUMBER = (a: number, b: number): number => a - b;

const entry = (kvm: Kvm, table: number, index: number): string => {
  const q = gpteQ(kvm, kvm.config.tableGfn + table, index);
  return hex(kvm.w[q * 2]!, kvm.w[q * 2 + 1]!);
};
const target = (kvm: Kvm, table: number, index: number): number => {
  const q = gpteQ(kvm, kvm.config.tableGfn + table, index);
  return sptePfn(kvm.w[q * 2]!, kvm.w[q * 2 + 1]!) - kvm.config.tableGfn;
};

describe("L1's nested tables", () => {
  it('take the roots first and then a page for each table in the order in which mappings need them', () => {
    const { kvm } = new Bench(machineOf(twoRoots, { memory: '64K' }));
    // 0 and 1 are the roots; A: 2 the level-2 table of [0, 16), 3 that of [16, 32), 4 and 5 its level-1 tables.
    expect([target(kvm, 0, 0), target(kvm, 0, 1), target(kvm, 3, 1), target(kvm, 3, 2)]).toEqual([
      2, 3, 4, 5,
    ]);
    expect(kvm.config.tablePages).toBe(6);
    expect([kvm.l1RootTable(0), kvm.l1RootTable(1)]).toEqual([0, 1]);
  });

  it('hold what was asked for, and nothing else', () => {
    const ept = new Bench(machineOf(twoRoots, { memory: '64K' })).kvm;
    expect(entry(ept, 2, 0)).toBe('203b7');
    expect([entry(ept, 4, 0), entry(ept, 4, 3), entry(ept, 5, 0), entry(ept, 5, 1)]).toEqual([
      '20135',
      '23135',
      '24135',
      '0',
    ]);
    expect([entry(ept, 1, 2), entry(ept, 1, 0)]).toEqual(['202b1', '0']);
    const npt = new Bench(machineOf(twoRoots, { memory: '64K', format: 'npt' })).kvm;
    expect(entry(npt, 2, 0)).toBe('200e7');
    expect(entry(npt, 4, 0)).toBe('20025');
    expect(entry(npt, 1, 2)).toBe('80000000000200c5');
  });

  it('are as many as counted before anything is laid out', () => {
    for (const level of [1, 2, 3] as const) {
      const machine = machineOf(identity(level), { memory: '128K' });
      const { kvm } = new Bench(machine);
      let used = 0;
      for (let table = 0; table < machine.config.tablePages; table++) {
        if (
          Array.from({ length: kvm.entries }, (_, i) => entry(kvm, table, i)).some((value) => value !== '0')
        )
          used++;
      }
      expect(used).toBe(machine.config.tablePages);
      expect(countGuestTables(machine.config)).toBe(used);
    }
  });
});

describe('booting', () => {
  it('loads every root on every vCPU: one page each, counted once for each vCPU', () => {
    const { kvm } = new Bench(machineOf(twoRoots, { memory: '64K', vcpus: 3 }));
    expect(
      activePages(kvm)
        .map((sp) => [spGfn(kvm, sp) - kvm.config.tableGfn, spRootCount(kvm, sp)] as const)
        .sort(([a], [b]) => a - b),
    ).toEqual([
      [0, 3],
      [1, 3],
    ]);
    expect([kvm.get(KVM.nUsed), kvm.get(KVM.indirectShadowPages)]).toEqual([2, 2]);
    for (let vcpu = 0; vcpu < 3; vcpu++) expect(kvm.w[kvm.vcpuWord(vcpu) + VCPU.root]).toBe(0);
  });

  it('gives a root the role of its hypervisor', () => {
    const { kvm } = new Bench(machineOf(twoRoots, { memory: '64K', l1AdBits: false }));
    const [a, b] = [rootRole(kvm, 0), rootRole(kvm, 1)];
    expect([roleLevel(a), roleDirect(a), roleAccess(a), roleGuestMode(a), roleAdDisabled(a)]).toEqual([
      3,
      false,
      7,
      true,
      true,
    ]);
    expect(a ^ b).toBe(1 << 14);
    expect(
      activePages(kvm)
        .map((sp) => spRole(kvm, sp))
        .sort(BY_NUMBER),
    ).toEqual([a, b].sort(BY_NUMBER));
    const { kvm: npt } = new Bench(machineOf(twoRoots, { memory: '64K', format: 'npt', l1AdBits: false }));
    expect([roleAdDisabled(rootRole(npt, 0)), (rootRole(npt, 0) >> 12) & 1]).toEqual([false, 1]);
  });

  it('shadows the root tables: they may be neither huge nor written', () => {
    const { kvm } = new Bench(machineOf(twoRoots, { memory: '64K' }));
    const slot = kvm.slots[0]!;
    const { tableGfn } = kvm.config;
    expect([0, 1, 2].map((i) => kvm.w[slot.writeTrackWord(tableGfn + i)])).toEqual([1, 1, 0]);
    expect(kvm.w[slot.lpageInfoWord(tableGfn, 2)]).toBe(2);
  });

  it('finds a root again without a lock once the vCPU has it', () => {
    const bench = new Bench(machineOf(twoRoots, { memory: '64K' }));
    const before = bench.cpu.now();
    bench.run(loadRoot(bench.vcpu(), 1));
    expect([bench.cpu.now() - before, bench.vcpu().rootIndex]).toEqual([0, 1]);
  });
});
