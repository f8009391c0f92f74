// Emulated writes to a page that holds one of L1's tables: kernel-facts A5, Q11, B-34, B-50, B-55.
import { describe, expect, it } from 'vitest';
import { emulateWrite } from '../../../src/mmu/dirty-log.ts';
import { ACC_ALL, ACC_EXEC, ACC_USER, isShadowPresent } from '../../../src/mmu/format.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { roleAccess, roleInvalid, roleLevel } from '../../../src/mmu/role.ts';
import { parentPtesWord, spRole } from '../../../src/mmu/shadow-page.ts';
import { L1_STEPS } from '../../../src/mmu/shadow/l1-steps.ts';
import { kvmMmuPteWrite } from '../../../src/mmu/shadow/pte-write.ts';
import { GuestWalker } from '../../../src/mmu/vcpu.ts';
import type { L1Entry } from '../../../src/actors/l1-tables.ts';
import { activePages, type Bench } from '../../support/machines.ts';
import { entryOf, openBench, poke, shadowsOf, spteOf, tablePage } from './l1-machine.ts';

/** KVM emulates L1's store of a value to one of its entries. */
function write(bench: Bench, entry: L1Entry, lo: number, hi = entry.hi): void {
  const vcpu = bench.vcpu();
  Object.assign(vcpu.store, { q: entry.q, lo, hi });
  bench.run(emulateWrite(vcpu, bench.slot, entry.tableGfn));
}

describe('an emulated store to a table', () => {
  it('changes the entry and the version of its page, and drops the leaf made from it, with a flush', () => {
    const bench = openBench({ unsync: false });
    bench.touch(0, 'write');
    bench.touch(1, 'write');
    const entry = entryOf(bench.kvm, 0, 1);
    const word = bench.kvm.layout.memory + bench.slot.pfn(entry.tableGfn);
    const before = bench.kvm.w[word]!;
    const flushes = bench.counter('flushSync');
    write(bench, entry, 0, 0);
    expect([entryOf(bench.kvm, 0, 1).lo, bench.kvm.w[word]! - before]).toEqual([0, 1]);
    expect([0, 1].map((page) => isShadowPresent(spteOf(bench, page).lo))).toEqual([false, true]);
    expect(bench.counter('flushSync') - flushes).toBe(1);
  });

  it('unlinks the table below, which stays in the hash without a parent and is found again', () => {
    const bench = openBench();
    bench.touch(0, 'write');
    const [child] = shadowsOf(bench, 0, 1);
    const entry = entryOf(bench.kvm, 0, 2);
    write(bench, entry, 0, 0);
    expect([activePages(bench.kvm).includes(child!), bench.kvm.w[parentPtesWord(bench.kvm, child!)]]).toEqual(
      [true, 0],
    );
    poke(bench, entry, entry.lo, entry.hi);
    bench.touch(0, 'write');
    expect(bench.kvm.w[parentPtesWord(bench.kvm, child!)]).not.toBe(0);
  });

  it('leaves L2 the old page where KVM forgets about it (B-50)', () => {
    const bench = openBench(
      { unsync: false },
      {
        *zapWrittenSpte() {
          return false;
        },
      },
    );
    bench.touch(0, 'write');
    write(bench, entryOf(bench.kvm, 0, 1), 0, 0);
    expect(isShadowPresent(spteOf(bench, 0).lo)).toBe(true);
  });

  it('takes no lock while no table is shadowed (B-55)', () => {
    const bench = openBench();
    // The roots are shadowed from the start; let them be gone.
    bench.kvm.put(KVM.indirectShadowPages, 0);
    const before = bench.cpu.mmuReleases;
    write(bench, entryOf(bench.kvm, 0, 1), 0, 0);
    expect([bench.cpu.mmuReleases - before, bench.counter('pteWrites')]).toEqual([0, 0]);
  });

  it('that is not one whole entry takes the page away', () => {
    const bench = openBench();
    bench.touch(0, 'write');
    const [sp] = shadowsOf(bench, 0, 2);
    const gfn = entryOf(bench.kvm, 0, 2).tableGfn;
    bench.run(kvmMmuPteWrite(bench.kvm, bench.cpu, { gfn, index: 3, misaligned: true }));
    expect(activePages(bench.kvm).includes(sp!)).toBe(false);
    expect(bench.counter('pteFloods')).toBe(1);
  });
});

describe('write flooding', () => {
  const level2 = (bench: Bench): number => shadowsOf(bench, 0, 2)[0]!;
  const writes = (bench: Bench, count: number): void => {
    // The last entry, which leads nowhere near page 0.
    for (let i = 0; i < count; i++) write(bench, entryOf(bench.kvm, 3 * bench.kvm.entries, 2), 0, 0);
  };

  it('zaps the page with the third write', () => {
    const bench = openBench();
    bench.touch(0, 'write');
    const sp = level2(bench);
    writes(bench, 2);
    expect(roleInvalid(spRole(bench.kvm, sp))).toBe(false);
    writes(bench, 1);
    expect([activePages(bench.kvm).includes(sp), bench.counter('pteFloods')]).toEqual([false, 1]);
    bench.touch(0, 'write');
    expect(isShadowPresent(spteOf(bench, 0).lo)).toBe(true);
  });

  it('starts anew when a fault uses the page as a table', () => {
    const bench = openBench();
    bench.touch(0, 'write');
    for (const index of [1, 2]) {
      writes(bench, 2);
      bench.touch(index * bench.kvm.entries, 'write');
    }
    writes(bench, 2);
    expect(bench.counter('pteFloods')).toBe(0);
  });

  it('is nothing that a page of level 1 is suspected of', () => {
    const bench = openBench({ unsync: false });
    bench.touch(0, 'write');
    const entry = entryOf(bench.kvm, 3, 1);
    for (let i = 0; i < 5; i++) write(bench, entry, 0, 0);
    expect(bench.counter('pteFloods')).toBe(0);
  });

  it('also comes from writes of data to a page that once was a table', () => {
    const bench = openBench();
    bench.touch(0, 'write');
    const page = tablePage(bench, 0, 2);
    for (let i = 0; i < 3; i++) bench.touch(page, 'write');
    expect(bench.counter('pteFloods')).toBe(1);
  });
});

describe('the role of a table below (B-34)', () => {
  const roles = (bench: Bench): number[] => {
    // Two ways to one level-1 table, the second without W; its first page is read-only, the others are not.
    const first = entryOf(bench.kvm, 0, 2);
    poke(bench, entryOf(bench.kvm, 4, 2), first.lo & ~2, first.hi);
    poke(bench, entryOf(bench.kvm, 0, 1), entryOf(bench.kvm, 0, 1).lo & ~2);
    bench.touch(0, 'read');
    bench.touch(4, 'read');
    return shadowsOf(bench, 0, 1).map((sp) => roleAccess(spRole(bench.kvm, sp)));
  };

  it('has the access of the entries above it', () => {
    expect(new Set(roles(openBench()))).toEqual(new Set([ACC_ALL, ACC_USER | ACC_EXEC]));
  });

  it('would be shared by both ways if it had that of the whole walk', () => {
    const wrong = openBench({}, { indirectChildAccess: (walker) => walker.pteAccess });
    expect(roles(wrong)).toEqual([ACC_USER | ACC_EXEC]);
  });
});

describe('a page that contains a table of its own walk', () => {
  it('is mapped with 4K if it is writable', () => {
    const { kvm } = openBench();
    const walker = new GuestWalker();
    Object.assign(walker, { level: 2, rootLevel: kvm.config.rootLevel, gfn: 0x100, pteAccess: ACC_ALL });
    walker.tableGfn[2] = 0x103;
    walker.tableGfn[3] = 0x200;
    expect(L1_STEPS.isSelfChangeMapping(kvm, walker)).toBe(true);
    walker.pteAccess = ACC_USER;
    expect(L1_STEPS.isSelfChangeMapping(kvm, walker)).toBe(false);
    walker.pteAccess = ACC_ALL;
    walker.tableGfn[2] = 0x104;
    expect(L1_STEPS.isSelfChangeMapping(kvm, walker)).toBe(false);
  });
});

describe('the levels in this machine', () => {
  it('are three', () => {
    const bench = openBench();
    bench.touch(0, 'write');
    expect(activePages(bench.kvm).map((sp) => roleLevel(spRole(bench.kvm, sp)))).toEqual([1, 2, 3]);
  });
});
