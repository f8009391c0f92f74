// make_huge_page_split_spte, kernel-facts 3.9.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACC_ALL, ACC_EXEC, ACC_USER, ACC_WRITE, SPTE_MMU_PRESENT, SPTE_PS } from '../../src/mmu/format.ts';
import { makeHugePageSplitSpte, makeSpte } from '../../src/mmu/spte.ts';
import { Bench, identity, machineOf } from '../support/machines.ts';
import { halves, hex } from '../support/spte-text.ts';
import { holds } from '../support/property.ts';

const machines = Object.fromEntries(
  (['ept', 'npt'] as const).flatMap((format) =>
    [false, true].map((nx) => [
      `${format}${nx ? ' nx' : ''}`,
      new Bench(machineOf(identity(2, []), { format, nx })),
    ]),
  ),
);

function split(machine: string, huge: string, childLevel: number, access: number): string {
  const { kvm, cpu } = machines[machine]!;
  const [lo, hi] = halves(huge);
  makeHugePageSplitSpte(kvm, cpu, lo, hi, childLevel, access);
  return hex(cpu.lo, cpu.hi);
}

describe('the first child of a split', () => {
  it.each([
    ['n01: 2M to 4K', 'npt', '132a00ee7', 1, ACC_ALL, '132a00e67'],
    ['n03: 1G to 2M', 'npt', '200000ee7', 2, ACC_ALL, '200000ee7'],
    ['n09: rw- stays NX', 'npt', '800000012f000ee7', 1, ACC_USER | ACC_WRITE, '800000012f000e67'],
    ['n09: r--', 'npt', '800000012f000aa5', 1, ACC_USER, '800000012f000a25'],
    ['n09: r-x', 'npt', '12f000aa5', 1, ACC_USER | ACC_EXEC, '12f000a25'],
    [
      'n07: 1G to 2M keeps the NX of the mitigation',
      'npt nx',
      '8000000200000ee7',
      2,
      ACC_ALL,
      '8000000200000ee7',
    ],
    ['n07: 2M to 4K drops it', 'npt nx', '8000000200000ee7', 1, ACC_ALL, '200000e67'],
    [
      'n07: unless the role has no exec',
      'npt nx',
      '8000000200000ee7',
      1,
      ACC_USER | ACC_WRITE,
      '8000000200000e67',
    ],
    ['EPT: X appears at 4K', 'ept nx', '600000012200bb3', 1, ACC_ALL, '600000012200b37'],
    ['EPT: and not at 2M', 'ept nx', '600000012200bb3', 2, ACC_ALL, '600000012200bb3'],
    ['EPT, access-tracked: the saved X appears', 'ept nx', '6500000122008b0', 1, ACC_ALL, '750000012200830'],
    ['EPT without mitigation: nothing but PS goes', 'ept', '600000012200bb3', 1, ACC_ALL, '600000012200b33'],
  ] as const)('is what the kernel makes: %s', (_what, machine, huge, level, access, child) => {
    expect(split(machine, huge, level, access)).toBe(child);
  });

  it('has every bit of the huge entry but PS and, with exec, X', () => {
    const word = fc.integer();
    holds(
      fc.property(
        fc.constantFrom(...Object.keys(machines)),
        word,
        word,
        fc.constantFrom(1, 2),
        fc.integer({ min: 0, max: 7 }),
        (name, low, high, level, access) => {
          const { kvm, cpu } = machines[name]!;
          const f = kvm.format;
          const lo = low | SPTE_MMU_PRESENT | SPTE_PS;
          makeHugePageSplitSpte(kvm, cpu, lo, high, level, access);
          const changedLo = (cpu.lo ^ lo) | 0;
          const changedHi = (cpu.hi ^ high) | 0;
          const gainsExec = level === 1 && (access & ACC_EXEC) !== 0 && kvm.config.nxHugePages;
          const [execLo, execHi] = gainsExec ? [f.execLo, f.nxHi | (f.execLo << 22)] : [0, 0];
          expect([changedLo & ~execLo, changedHi & ~execHi]).toEqual([level === 1 ? SPTE_PS : 0, 0]);
        },
      ),
      300,
    );
  });

  it('of a page that was never split is the 4K entry that a fault would have made (EPT and NPT, all accesses)', () => {
    for (const { kvm, cpu } of Object.values(machines)) {
      for (let access = ACC_USER; access <= ACC_ALL; access++) {
        const spec = {
          pfn: 0x40,
          access,
          hostWritable: true,
          prefetch: false,
          adDisabled: false,
          guestMode: true,
          oldLo: 0,
          writeProtected: false,
        };
        makeSpte(kvm, cpu, { ...spec, level: 1 });
        const small = hex(cpu.lo, cpu.hi);
        makeSpte(kvm, cpu, { ...spec, level: 2 });
        makeHugePageSplitSpte(kvm, cpu, cpu.lo, cpu.hi, 1, access);
        expect(hex(cpu.lo, cpu.hi)).toBe(small);
      }
    }
  });
});
