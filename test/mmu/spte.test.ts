// Values of EPT and NPT entries. The NPT ones are from recordings of a real kernel: n01, n03, n07, n09, n10.
import { describe, expect, it } from 'vitest';
import {
  ACC_ALL,
  ACC_EXEC,
  ACC_USER,
  ACC_WRITE,
  isExecutable,
  isExecutableSaved,
  isHostWritable,
  isLarge,
  isLastSpte,
  isMmuWritable,
  isReadable,
  isShadowPresent,
  isWritable,
  sptePfn,
} from '../../src/mmu/format.ts';
import {
  adEnabled,
  makeNonleafSpte,
  makeSpte,
  markForAccessTrack,
  pfnHi,
  pfnLo,
  spteChildSp,
  spteTable,
  type LeafSpec,
} from '../../src/mmu/spte.ts';
import { spTable } from '../../src/mmu/shadow-page.ts';
import { activePages, Bench, identity, machineOf, type Given } from '../support/machines.ts';
import { halves, hex } from '../support/spte-text.ts';

const bench = (given: Given): Bench => new Bench(machineOf(identity(2), { backing: '2m', ...given }));
const npt = bench({ format: 'npt' });
const nptNx = bench({ format: 'npt', nx: true });
const ept = bench({ format: 'ept' });
const eptNx = bench({ format: 'ept', nx: true });

const PLAIN: LeafSpec = {
  level: 1,
  pfn: 0,
  access: ACC_ALL,
  hostWritable: true,
  prefetch: false,
  adDisabled: false,
  guestMode: true,
  oldLo: 0,
  writeProtected: false,
};

function leaf({ kvm, cpu }: Bench, spec: Partial<LeafSpec>): string {
  makeSpte(kvm, cpu, { ...PLAIN, ...spec });
  return hex(cpu.lo, cpu.hi);
}

describe('make_spte for NPT gives what the kernel gave', () => {
  it.each<[string, Partial<LeafSpec>, string]>([
    ['a 2M page: P W U A D PS HW MW', { level: 2, pfn: 0x132a00 }, '132a00ee7'],
    ['a 1G page', { level: 3, pfn: 0x200000 }, '200000ee7'],
    ['a 4K page: P W U A D HW MW', { pfn: 0x1342b5 }, '1342b5e67'],
    ['a 2M page r-x: P U A PS HW', { level: 2, pfn: 0x12f000, access: ACC_USER | ACC_EXEC }, '12f000aa5'],
    ['a 2M page rw-', { level: 2, pfn: 0x12f000, access: ACC_USER | ACC_WRITE }, '800000012f000ee7'],
    ['a 2M page r--', { level: 2, pfn: 0x12f000, access: ACC_USER }, '800000012f000aa5'],
    ['a prefetched 4K page: no A', { pfn: 0x200600, prefetch: true }, '200600e47'],
  ])('%s', (_what, spec, value) => {
    expect(leaf(npt, spec)).toBe(value);
  });

  it('a 1G page with the iTLB multihit mitigation: NX', () => {
    expect(leaf(nptNx, { level: 3, pfn: 0x200000 })).toBe('8000000200000ee7');
    expect(leaf(nptNx, { pfn: 0x200603 })).toBe('200603e67');
  });
});

describe('make_spte for EPT', () => {
  it.each<[string, Partial<LeafSpec>, string]>([
    // R W X, WB memory, A D, MMU-present, host- and MMU-writable in bits 57 and 58.
    ['a 4K page', { pfn: 0x12345 }, '600000012345b37'],
    ['a 2M page', { level: 2, pfn: 0x12200 }, '600000012200bb7'],
    [
      'a 4K page r-x: neither W nor D nor MMU-writable',
      { pfn: 0x12345, access: ACC_USER | ACC_EXEC },
      '200000012345935',
    ],
    ['a 4K page that the host has read-only', { pfn: 0x12345, hostWritable: false }, '12345935'],
    ['a prefetched page: no A, but D, as W is set', { pfn: 0x12345, prefetch: true }, '600000012345a37'],
    ['a page without A/D bits: bit 52', { pfn: 0x12345, adDisabled: true }, '610000012345837'],
  ])('%s', (_what, spec, value) => {
    expect(leaf(ept, spec)).toBe(value);
  });

  it('a prefetched page without A/D bits is access-tracked: no permission, R and X saved 54 bits up', () => {
    expect(leaf(ept, { pfn: 0x12345, prefetch: true, adDisabled: true })).toBe('750000012345830');
    expect(leaf(ept, { pfn: 1, prefetch: true, adDisabled: true, access: ACC_USER })).toBe('250000000001830');
  });

  it('takes X from huge pages only while the mitigation is on', () => {
    expect(leaf(eptNx, { level: 2, pfn: 0x12200 })).toBe('600000012200bb3');
    expect(leaf(eptNx, { pfn: 0x12345 })).toBe('600000012345b37');
  });
});

describe('make_spte and write protection', () => {
  it('keeps a shadowed table read-only, MMU-writable included, and says so', () => {
    const { kvm, cpu } = npt;
    expect(makeSpte(kvm, cpu, { ...PLAIN, pfn: 5, writeProtected: true })).toBe(true);
    expect(hex(cpu.lo, cpu.hi)).toBe('5a25');
  });

  it('does not ask again about an entry that is writable already, and says nothing about one that may not be written', () => {
    const { kvm, cpu } = npt;
    expect(makeSpte(kvm, cpu, { ...PLAIN, pfn: 5, writeProtected: true, oldLo: 0x5e67 })).toBe(false);
    expect(hex(cpu.lo, cpu.hi)).toBe('5e67');
    expect(makeSpte(kvm, cpu, { ...PLAIN, pfn: 5, writeProtected: true, access: ACC_USER })).toBe(false);
  });
});

describe('make_nonleaf_spte', () => {
  it('points to the table with every permission and A: 0x827 for NPT', () => {
    for (const [machine, low] of [
      [npt, 0x827],
      [ept, 0x907],
    ] as const) {
      const { kvm, cpu } = machine;
      const sp = activePages(kvm)[0]!;
      makeNonleafSpte(kvm, cpu, spTable(kvm, sp), false);
      expect(cpu.lo & 0xfff).toBe(low);
      expect(sptePfn(cpu.lo, cpu.hi)).toBe(kvm.tablePfnBase + spTable(kvm, sp));
      expect([spteTable(kvm, cpu.lo, cpu.hi), spteChildSp(kvm, cpu.lo, cpu.hi)]).toEqual([
        spTable(kvm, sp),
        sp,
      ]);
      expect([isShadowPresent(cpu.lo), isLarge(cpu.lo), isLastSpte(cpu.lo, 2)]).toEqual([true, false, false]);
    }
  });

  it('says instead of A that there are no A/D bits', () => {
    makeNonleafSpte(ept.kvm, ept.cpu, 1, true);
    expect([ept.cpu.lo & 0xfff, adEnabled(ept.cpu.hi)]).toEqual([0x807, false]);
  });
});

describe('reading entries', () => {
  it('finds the frame over all of its 40 bits', () => {
    for (const pfn of [0, 1, 0xfffff, 0x100000, 0x132a00, 0xff_ffff_ff]) {
      expect(sptePfn(pfnLo(pfn), pfnHi(pfn))).toBe(pfn);
      expect(pfnLo(pfn) & 0xfff).toBe(0);
    }
    expect(sptePfn(0x12345e67, -0x80000000)).toBe(0x12345);
  });

  it.each([
    // value, present, W, MMU-writable, host-writable, readable, executable
    ['132a00ee7', [true, true, true, true, true, true]],
    ['12f000aa5', [true, false, false, true, true, true]],
    ['800000012f000a25', [true, false, false, true, true, false]],
    ['132a00e65', [true, false, true, true, true, true]],
    ['0', [false, false, false, false, false, false]],
  ])('knows the NPT permissions of %s', (text, expected) => {
    const f = npt.kvm.format;
    const [lo, hi] = halves(text);
    expect([
      isShadowPresent(lo),
      isWritable(lo),
      isMmuWritable(f, lo, hi),
      isHostWritable(f, lo, hi),
      isReadable(f, lo),
      isExecutable(f, lo, hi),
    ]).toEqual(expected);
  });

  it('sees the X that access tracking has put aside', () => {
    const { kvm, cpu } = ept;
    for (const [access, saved] of [
      [ACC_ALL, true],
      [ACC_USER | ACC_WRITE, false],
    ] as const) {
      makeSpte(kvm, cpu, { ...PLAIN, access, adDisabled: true });
      markForAccessTrack(kvm, cpu);
      expect([
        isExecutable(kvm.format, cpu.lo, cpu.hi),
        isReadable(kvm.format, cpu.lo),
        isWritable(cpu.lo),
      ]).toEqual([false, false, false]);
      expect(isExecutableSaved(kvm.format, cpu.lo, cpu.hi)).toBe(saved);
    }
  });
});
