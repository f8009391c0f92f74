// Unsync pages and how they are brought up to date: kernel-facts 1.2, A6, Q17, Q18, Q41, B-31, B-35.
import { describe, expect, it } from 'vitest';
import { loadRoot } from '../../../src/mmu/boot.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { isMmuWritable, isShadowPresent, isWritable } from '../../../src/mmu/format.ts';
import { handleL1Invept } from '../../../src/mmu/invept.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { RET_PF_EMULATE } from '../../../src/mmu/errno.ts';
import { spUnsync, spUnsyncChildren } from '../../../src/mmu/shadow/unsync.ts';
import { VCPU } from '../../../src/mmu/vcpu-words.ts';
import type { Bench } from '../../support/machines.ts';
import { entryOf, openBench, poke, shadowsOf, spteOf, tablePage } from './l1-machine.ts';

/** L2 uses page 0, then writes the page that holds the level-1 table it was found through. */
function goneUnsync(bench: Bench): { readonly sp: number; readonly table: number } {
  bench.touch(0, 'write');
  const table = tablePage(bench, 0, 1);
  bench.touch(table, 'write');
  return { sp: shadowsOf(bench, 0, 1)[0]!, table };
}

/** L1's INVEPT for root 0 on the first vCPU, and the load of the root that follows. */
function invept(bench: Bench): void {
  const vcpu = bench.vcpu();
  bench.kvm.arena.put(vcpu.word(VCPU.inveptRoots), 1);
  bench.run(handleL1Invept(vcpu));
  expect(vcpu.rootSp).toBe(0);
  bench.run(loadRoot(vcpu, 0));
}

const results = (bench: Bench): number[] => bench.seen.faults.map(({ result }) => result);

describe('a level-1 table that is written', () => {
  it('goes out of sync and is mapped writable; all pages above it know (Q17)', () => {
    const bench = openBench();
    const { sp, table } = goneUnsync(bench);
    expect([spUnsync(bench.kvm, sp), isWritable(spteOf(bench, table).lo)]).toEqual([true, true]);
    const above = [2, 3].flatMap((level) => shadowsOf(bench, 0, level));
    expect(above.map((parent) => spUnsyncChildren(bench.kvm, parent))).toEqual([1, 1]);
    expect(bench.counter('unsyncPages')).toBe(1);
    expect(bench.kvm.get(KVM.unsyncPagesLock)).toBe(0);
  });

  it('is write-protected, and the write emulated, where unsync is off', () => {
    const bench = openBench({ unsync: false });
    const { sp, table } = goneUnsync(bench);
    expect([spUnsync(bench.kvm, sp), isWritable(spteOf(bench, table).lo)]).toEqual([false, false]);
    expect(results(bench)).toContain(RET_PF_EMULATE);
  });

  it('is not let out of sync for a prefetch', () => {
    const bench = openBench();
    bench.touch(0, 'write');
    const table = tablePage(bench, 0, 1);
    // A read of its neighbour prefetches the page of the table.
    bench.touch(table ^ 1, 'read');
    const leaf = spteOf(bench, table);
    expect([isShadowPresent(leaf.lo), isWritable(leaf.lo)]).toEqual([true, false]);
    expect(bench.counter('unsyncPages')).toBe(0);
  });
});

describe('a table above level 1', () => {
  it.each([2, 3])('of level %i stays in sync: writes to it are emulated (Q18)', (level) => {
    const bench = openBench();
    bench.touch(0, 'write');
    const table = tablePage(bench, 0, level);
    bench.touch(table, 'write');
    expect([isWritable(spteOf(bench, table).lo), bench.counter('unsyncPages')]).toEqual([false, 0]);
    expect(results(bench)).toContain(RET_PF_EMULATE);
  });
});

describe('the load of a root after INVEPT', () => {
  it('drops what L1 unmapped or moved, keeps the rest, and protects the table again (Q41)', () => {
    const bench = openBench();
    const { kvm } = bench;
    const { sp, table } = goneUnsync(bench);
    for (const page of [1, 2, 3]) bench.touch(page, 'write');
    poke(bench, entryOf(kvm, 0, 1), 0, 0);
    poke(bench, entryOf(kvm, 1, 1), entryOf(kvm, 2, 1).lo);
    poke(bench, entryOf(kvm, 2, 1), entryOf(kvm, 2, 1).lo & ~2);
    const flushes = bench.counter('flushSync');
    invept(bench);
    const after = [0, 1, 2, 3].map((page) => spteOf(bench, page));
    expect(after.map(({ lo }) => isShadowPresent(lo))).toEqual([false, false, true, true]);
    expect(after.map(({ lo }) => isWritable(lo))).toEqual([false, false, false, true]);
    expect(spUnsync(kvm, sp)).toBe(false);
    const leaf = spteOf(bench, table);
    expect([isWritable(leaf.lo), isMmuWritable(kvm.format, leaf.lo, leaf.hi)]).toEqual([false, false]);
    expect(
      [2, 3].flatMap((level) => shadowsOf(bench, 0, level)).map((p) => spUnsyncChildren(kvm, p)),
    ).toEqual([0, 0]);
    // One for the write protection before anything is read, one for what was taken away.
    expect(bench.counter('flushSync') - flushes).toBe(2);
    expect(bench.seen.broke).toEqual([]);
  });

  it('is what makes the change count: without the sync the old translation stays', () => {
    const bench = openBench({}, { *syncRoots() {} });
    goneUnsync(bench);
    poke(bench, entryOf(bench.kvm, 0, 1), 0, 0);
    invept(bench);
    expect(isShadowPresent(spteOf(bench, 0).lo)).toBe(true);
  });

  it('takes no lock when nothing is unsync', () => {
    const bench = openBench();
    bench.touch(0, 'write');
    const before = bench.cpu.mmuReleases;
    invept(bench);
    // The root is let go and looked up again.
    expect(bench.cpu.mmuReleases - before).toBe(2);
  });

  it('gets through more unsync pages than fit into a batch', () => {
    const bench = openBench({ tableBits: 5, memory: '4M' });
    const { kvm } = bench;
    const tables = Array.from({ length: 24 }, (_, i) => i * 32);
    for (const page of tables) bench.touch(page, 'write');
    for (const page of tables) bench.touch(tablePage(bench, page, 1), 'write');
    const pages = tables.map((page) => shadowsOf(bench, page, 1)[0]!);
    expect(pages.every((sp) => spUnsync(kvm, sp))).toBe(true);
    for (const page of tables) poke(bench, entryOf(kvm, page, 1), 0, 0);
    invept(bench);
    expect(pages.some((sp) => spUnsync(kvm, sp))).toBe(false);
    expect(tables.some((page) => isShadowPresent(spteOf(bench, page).lo))).toBe(false);
  });
});

describe('a leaf whose permissions are all gone', () => {
  /** Through an upper entry that grants reading only, L1's entry goes from reading to fetching. */
  const rwxZero = (steps: Partial<Engine> = {}): Bench => {
    const bench = openBench({}, steps);
    const upper = entryOf(bench.kvm, 0, 2);
    poke(bench, upper, (upper.lo & ~7) | 1);
    bench.touch(0, 'read');
    bench.touch(tablePage(bench, 0, 1), 'write');
    const entry = entryOf(bench.kvm, 0, 1);
    poke(bench, entry, (entry.lo & ~7) | 4);
    invept(bench);
    return bench;
  };

  it('is dropped by the sync (B-35)', () => {
    expect(isShadowPresent(spteOf(rwxZero(), 0).lo)).toBe(false);
  });

  it('would be counted as present and permit nothing otherwise', () => {
    const bench = rwxZero({ syncDropsSpte: (_kvm, _access, gfn, mapped) => gfn !== mapped });
    const { lo } = spteOf(bench, 0);
    expect([isShadowPresent(lo), lo & 7]).toEqual([true, 0]);
  });
});

describe('linking what is out of sync (B-31)', () => {
  /** L2 uses page 0 by one way, L1 unmaps it unseen, and opens a second way to the same tables. */
  const secondWay = (level: 2 | 3, steps: Partial<Engine> = {}): Bench => {
    const bench = openBench({}, steps);
    const { kvm } = bench;
    const step = kvm.pages(level);
    const other = entryOf(kvm, step, level);
    poke(bench, other, 0, 0);
    goneUnsync(bench);
    bench.touch(1, 'write');
    poke(bench, entryOf(kvm, 0, 1), 0, 0);
    const first = entryOf(kvm, 0, level);
    poke(bench, { ...other, hi: first.hi }, first.lo);
    expect(bench.touch(step + 1, 'write')).toBe(true);
    return bench;
  };
  const stale = (bench: Bench, level: 2 | 3): boolean =>
    isShadowPresent(spteOf(bench, bench.kvm.pages(level)).lo);

  it('syncs a level-1 page for this use, and it stays unsync', () => {
    const bench = secondWay(2);
    expect(stale(bench, 2)).toBe(false);
    expect(spUnsync(bench.kvm, shadowsOf(bench, 0, 1)[0]!)).toBe(true);
    expect(spUnsyncChildren(bench.kvm, shadowsOf(bench, 0, 2)[0]!)).toBe(2);
  });

  it('syncs what is below a higher page for good', () => {
    const bench = secondWay(3);
    expect(stale(bench, 3)).toBe(false);
    expect(spUnsync(bench.kvm, shadowsOf(bench, 0, 1)[0]!)).toBe(false);
  });

  it('leaves L2 an outdated page otherwise', () => {
    const noSync: Partial<Engine> = {
      *syncFoundPage() {
        return false;
      },
      *syncBeforeLink() {
        return true;
      },
    };
    expect([stale(secondWay(2, noSync), 2), stale(secondWay(3, noSync), 3)]).toEqual([true, true]);
  });
});
