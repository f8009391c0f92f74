// The nested page fault, kernel-facts 5.2.
import { describe, expect, it } from 'vitest';
import { RET_PF_EMULATE, RET_PF_FIXED, RET_PF_INJECT, RET_PF_SPURIOUS } from '../../../src/mmu/errno.ts';
import { enableDirtyLogging } from '../../../src/mmu/dirty-log.ts';
import { isExecutable, isWritable, sptePfn } from '../../../src/mmu/format.ts';
import { pageFault } from '../../../src/mmu/shadow/fault.ts';
import { translate, WALK_NOT_PRESENT } from '../../../src/mmu/hardware.ts';
import {
  ACCESS_EXEC,
  ACCESS_READ,
  ACCESS_WRITE,
  gpteQ,
  walkIndex,
} from '../../../src/mmu/shadow/walk-addr.ts';
import { roleAccess, roleDirect, roleLevel } from '../../../src/mmu/role.ts';
import { pageGetGfn, spGfn, spRole } from '../../../src/mmu/shadow-page.ts';
import type { MappingSpec } from '../../../src/scenario/define.ts';
import {
  activePages,
  Bench,
  identity,
  leaves,
  machineOf,
  rootOf,
  type Given,
} from '../../support/machines.ts';

const fault = (bench: Bench, page: number, access: number, present = false): number =>
  bench.run(pageFault(bench.vcpu(), bench.slot.baseGfn + page, access, present));
const one = (mapping: Partial<MappingSpec>, given: Given = {}): Bench =>
  new Bench(
    machineOf(
      rootOf(({ base }) => [{ l2Gfn: base, l1Gfn: base, level: 3, count: 1, ...mapping }], []),
      given,
    ),
  );

describe('the size of the page that a fault maps', () => {
  it.each<[string, 1 | 2 | 3, Given, number]>([
    ['1G by 1G in L1 and on the host', 3, { backing: '1g' }, 3],
    ['2M by 2M on the host', 3, { backing: '2m' }, 2],
    ['4K by 4K on the host', 3, { backing: '4k' }, 1],
    ['2M by 2M in L1', 2, { backing: '1g' }, 2],
    ['4K by 4K in L1', 1, { backing: '1g' }, 1],
  ])('is %s', (_what, level, given, expected) => {
    const bench = one({ level, count: level === 1 ? 4 : 1 }, given);
    expect(fault(bench, 1, ACCESS_WRITE)).toBe(RET_PF_FIXED);
    expect([1, 2, 3].map((at) => leaves(bench.kvm, at).length > 0)).toEqual(
      [1, 2, 3].map((at) => at === expected),
    );
    const leaf = leaves(bench.kvm, expected)[0]!;
    expect(sptePfn(leaf.lo, leaf.hi)).toBe(bench.slot.pfn(pageGetGfn(bench.kvm, leaf.sp, leaf.index)));
  });

  it('is 4K in a slot that is logged, whatever is asked for (3.2)', () => {
    for (const access of [ACCESS_READ, ACCESS_WRITE]) {
      const bench = one({});
      bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
      fault(bench, 1, access);
      expect([
        leaves(bench.kvm, 1).length > 0,
        leaves(bench.kvm, 2).length,
        leaves(bench.kvm, 3).length,
      ]).toEqual([true, 0, 0]);
    }
  });

  it('is smaller where a shadowed table forbids huge pages', () => {
    const bench = one({});
    bench.slot.adjustDisallowLpage(bench.slot.baseGfn + 9, 1);
    fault(bench, 1, ACCESS_READ);
    fault(bench, 9, ACCESS_READ);
    expect([leaves(bench.kvm, 3).length, leaves(bench.kvm, 2).length]).toEqual([0, 1]);
    expect(
      new Set(
        leaves(bench.kvm, 1).map(
          ({ sp, index }) => (pageGetGfn(bench.kvm, sp, index) - bench.slot.baseGfn) >> 2,
        ),
      ),
    ).toEqual(new Set([2]));
  });
});

describe('a memslot that may only be read', () => {
  it("is mapped without W, and a write of L2 to it is user space's to emulate", () => {
    const bench = new Bench(
      machineOf(({ huge2, huge3, base, pages }) => {
        const second = Math.ceil((base + pages) / huge3) * huge3;
        return {
          roots: [{ name: 'L2', mappings: [{ l2Gfn: 0, l1Gfn: second, level: 2, count: 1 }] }],
          populate: [],
          extraSlots: [{ pages: huge2, readonly: true }],
        };
      }),
    );
    const at = (access: number, present: boolean): number =>
      bench.run(pageFault(bench.vcpu(), 1, access, present));
    expect(at(ACCESS_READ, false)).toBe(RET_PF_FIXED);
    expect(at(ACCESS_WRITE, true)).toBe(RET_PF_EMULATE);
    const mapped = [1, 2].flatMap((level) => leaves(bench.kvm, level));
    expect(mapped).not.toEqual([]);
    expect(mapped.some(({ lo }) => isWritable(lo))).toBe(false);
  });
});

describe('a fetch with the iTLB multihit mitigation', () => {
  it('maps 4K below a table for each level, and what it leaves untouched stays unmapped', () => {
    const bench = one({}, { nx: true });
    expect(fault(bench, 5, ACCESS_EXEC)).toBe(RET_PF_FIXED);
    expect(
      leaves(bench.kvm, 1).map(({ sp, index }) => pageGetGfn(bench.kvm, sp, index) - bench.slot.baseGfn),
    ).toEqual([4, 5, 6, 7]);
    expect(leaves(bench.kvm, 1).every(({ lo, hi }) => isExecutable(bench.kvm.format, lo, hi))).toBe(true);
    expect([leaves(bench.kvm, 2).length, leaves(bench.kvm, 3).length, bench.counter('nxSplits')]).toEqual([
      0, 0, 2,
    ]);
  });

  it('splits a huge page that is there, with a flush, and a later read is content with one level less', () => {
    const bench = one({}, { nx: true });
    fault(bench, 0, ACCESS_WRITE);
    expect(leaves(bench.kvm, 3).map(({ lo, hi }) => isExecutable(bench.kvm.format, lo, hi))).toEqual([false]);
    fault(bench, 5, ACCESS_EXEC, true);
    expect([leaves(bench.kvm, 3).length, bench.counter('flushFault')]).toEqual([0, 1]);
    fault(bench, 9, ACCESS_READ);
    expect([leaves(bench.kvm, 3).length, leaves(bench.kvm, 2).length]).toEqual([0, 1]);
  });

  it('without the mitigation maps as large as a read does', () => {
    const bench = one({});
    fault(bench, 5, ACCESS_EXEC);
    expect([leaves(bench.kvm, 3).length, bench.counter('nxSplits')]).toEqual([1, 0]);
  });
});

describe('the permissions that a fault gives', () => {
  it("are L1's: what they forbid is L1's affair, and nothing is mapped for it", () => {
    const bench = one({ perm: 'r' });
    expect([fault(bench, 0, ACCESS_WRITE), fault(bench, 0, ACCESS_EXEC)]).toEqual([
      RET_PF_INJECT,
      RET_PF_INJECT,
    ]);
    expect(bench.run(pageFault(bench.vcpu(), 0, ACCESS_READ, false))).toBe(RET_PF_INJECT);
    expect(leaves(bench.kvm, 3)).toEqual([]);
    expect(fault(bench, 0, ACCESS_READ)).toBe(RET_PF_FIXED);
    expect(
      leaves(bench.kvm, 3).map(({ lo, hi }) => [isWritable(lo), isExecutable(bench.kvm.format, lo, hi)]),
    ).toEqual([[false, false]]);
  });

  it('leave W out of a clean page until it is written, so that D in L1 can be set', () => {
    const bench = one({ dirty: false, level: 2 });
    fault(bench, 0, ACCESS_READ);
    expect(leaves(bench.kvm, 2).map(({ lo }) => isWritable(lo))).toEqual([false]);
    expect(fault(bench, 0, ACCESS_WRITE, true)).toBe(RET_PF_FIXED);
    expect(leaves(bench.kvm, 2).map(({ lo }) => isWritable(lo))).toEqual([true]);
    const without = one({ dirty: false, level: 2 }, { l1AdBits: false });
    fault(without, 0, ACCESS_READ);
    expect(leaves(without.kvm, 2).map(({ lo }) => isWritable(lo))).toEqual([true]);
  });

  it('make the fault spurious if they are there already', () => {
    const bench = one({});
    fault(bench, 0, ACCESS_WRITE);
    expect(fault(bench, 0, ACCESS_WRITE)).toBe(RET_PF_SPURIOUS);
    expect(leaves(bench.kvm, 3).length).toBe(1);
  });
});

describe('a direct child of another access', () => {
  it('is unlinked with a flush of what it mapped, and stays in the hash without a parent (validate_direct_spte)', () => {
    // A clean 1G page on 2M host pages: read first, so its table is read-only; the write needs another one.
    const bench = one({ dirty: false }, { backing: '2m' });
    fault(bench, 0, ACCESS_READ);
    const direct = (): number[] => activePages(bench.kvm).filter((sp) => roleDirect(spRole(bench.kvm, sp)));
    const [old] = direct();
    fault(bench, 0, ACCESS_WRITE, true);
    expect(
      direct().map((sp) => [sp === old, roleAccess(spRole(bench.kvm, sp)), roleLevel(spRole(bench.kvm, sp))]),
    ).toEqual([
      [false, 7, 2],
      [true, 5, 2],
    ]);
    expect(bench.seen.flushes).toEqual([
      { reason: 'fault', gfn: spGfn(bench.kvm, old!), pages: bench.kvm.pages(3) },
    ]);
    expect(bench.kvm.w[bench.kvm.header(old!) + 5]).toBe(0);
    expect(leaves(bench.kvm, 2).length).toBe(2);
  });
});

describe('prefetch', () => {
  it('installs a leaf that permits nothing for an execute-only entry below one without X, as KVM does, and L1 answers for it', () => {
    const bench = one({ level: 1, count: 4 }, { backing: '4k' });
    const { kvm, slot } = bench;
    const q = (table: number, level: number, gfn: number): number =>
      gpteQ(kvm, kvm.config.tableGfn + table, walkIndex(kvm, gfn, level));
    kvm.w[q(1, 2, slot.baseGfn) * 2]! &= ~4;
    kvm.w[q(2, 1, slot.baseGfn + 1) * 2] = (kvm.w[q(2, 1, slot.baseGfn + 1) * 2]! & ~3) | 4;
    expect(fault(bench, 0, ACCESS_READ)).toBe(RET_PF_FIXED);
    const permissions = leaves(kvm, 1).map(({ lo }) => lo & 7);
    expect(permissions).toEqual([3, 0, 3, 3]);
    const vcpu = bench.vcpu();
    for (const access of [ACCESS_READ, ACCESS_EXEC]) {
      expect(bench.run(translate(vcpu, slot.baseGfn + 1, access))).toBe(WALK_NOT_PRESENT);
      expect(fault(bench, 1, access)).toBe(RET_PF_INJECT);
    }
  });

  it('maps the aligned window of eight around a 4K page, without A, and not beyond', () => {
    const bench = new Bench(machineOf(identity(1, []), { tableBits: 4, memory: '128K', rootLevel: 3 }));
    fault(bench, 11, ACCESS_READ);
    const got = leaves(bench.kvm, 1).map(({ sp, index, lo }) => [
      pageGetGfn(bench.kvm, sp, index) - bench.slot.baseGfn,
      (lo & bench.kvm.format.accessedLo) !== 0,
    ]);
    expect(got).toEqual(Array.from({ length: 8 }, (_, i) => [8 + i, 8 + i === 11]));
    expect(bench.counter('prefetched')).toBe(7);
  });

  it('leaves out what L1 has not accessed and what is mapped already', () => {
    const bench = new Bench(
      machineOf(
        rootOf(
          ({ base }) => [
            { l2Gfn: base, l1Gfn: base, level: 1, count: 2 },
            { l2Gfn: base + 2, l1Gfn: base + 2, level: 1, count: 1, accessed: false },
            { l2Gfn: base + 3, l1Gfn: base + 3, level: 1, count: 1 },
          ],
          [],
        ),
      ),
    );
    fault(bench, 0, ACCESS_READ);
    expect(leaves(bench.kvm, 1).map(({ index }) => index)).toEqual([0, 1, 3]);
    fault(bench, 2, ACCESS_READ);
    expect([leaves(bench.kvm, 1).length, bench.counter('prefetched')]).toEqual([4, 2]);
  });

  it('takes nothing writable in a logged slot', () => {
    const bench = new Bench(machineOf(identity(2, []), { backing: '2m' }));
    bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
    fault(bench, 1, ACCESS_WRITE);
    expect(leaves(bench.kvm, 1).map(({ index, lo }) => [index, isWritable(lo)])).toEqual([[1, true]]);
  });
});
