// One pass over small machines, kernel-facts 3.4 to 3.10.
import { describe, expect, it } from 'vitest';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import { EAGAIN, ENOMEM, ENOSPC } from '../../../src/mmu/errno.ts';
import { isMmuWritable, isWritable, sptePfn } from '../../../src/mmu/format.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { cacheCount, splitCaches } from '../../../src/mmu/memory-cache.ts';
import { slotTrySplitHugePages } from '../../../src/mmu/shadow/split.ts';
import { roleAccess, roleDirect, roleLevel } from '../../../src/mmu/role.ts';
import { pageGetGfn, spRole } from '../../../src/mmu/shadow-page.ts';
import { mutexLock, mutexUnlock } from '../../../src/locks/mutex.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import {
  activePages,
  aliases,
  Bench,
  identity,
  leaves,
  machineOf,
  type Given,
} from '../../support/machines.ts';

function split(bench: Bench, start = 0, end = bench.slot.npages): Bench {
  const { kvm, cpu, slot } = bench;
  bench.run(mutexLock(cpu, kvm.slotsLock));
  bench.run(
    slotTrySplitHugePages(kvm, cpu, splitCaches(kvm, 0), slot, slot.baseGfn + start, slot.baseGfn + end),
  );
  bench.run(mutexUnlock(cpu, kvm.slotsLock));
  expect(bench.seen.broke).toEqual([]);
  return bench;
}

const flat = (given: Given = {}, engine: Engine = P1_ENGINE): Bench =>
  new Bench(machineOf(identity(2), { backing: '2m', ...given }), engine);
const giant = (given: Given = {}): Bench => new Bench(machineOf(identity(3), given));

describe('a pass', () => {
  it('splits every 2M page to leaves with the same frames, permissions and bits', () => {
    const bench = flat();
    const before = leaves(bench.kvm, 2).map(({ lo, hi }) => ({
      pfn: sptePfn(lo, hi),
      hi,
      bits: lo & 0xfff & ~0x80,
    }));
    split(bench);
    const after = leaves(bench.kvm, 1);
    expect([leaves(bench.kvm, 2).length, after.length]).toEqual([0, 16]);
    for (const { pfn, hi, bits } of before) {
      for (let i = 0; i < 4; i++) {
        const child = after.find(({ lo, hi: high }) => sptePfn(lo, high) === pfn + i)!;
        expect([child.lo & 0xfff, child.hi]).toEqual([bits, hi]);
      }
    }
    expect([bench.kvm.get(KVM.pages), bench.kvm.get(KVM.pages + 1)]).toEqual([16, 0]);
  });

  it('works from the largest pages down: 1G, then all 2M in the order of their gfns', () => {
    const { seen, slot } = split(giant());
    expect(
      seen.splits.filter(({ errno }) => errno === 0).map(({ gfn, level }) => [level, gfn - slot.baseGfn]),
    ).toEqual([
      [3, 0],
      [2, 0],
      [2, 4],
      [2, 8],
      [2, 12],
    ]);
  });

  it('touches nothing outside of its range', () => {
    const bench = split(flat(), 4, 12);
    expect(
      leaves(bench.kvm, 2).map(({ sp, index }) => pageGetGfn(bench.kvm, sp, index) - bench.slot.baseGfn),
    ).toEqual([0, 12]);
  });

  it('makes direct children of the access of the entry', () => {
    const bench = split(new Bench(machineOf(aliases(1, ['rx']), { backing: '2m' })));
    const child = activePages(bench.kvm).find((sp) => roleLevel(spRole(bench.kvm, sp)) === 1)!;
    expect([roleDirect(spRole(bench.kvm, child)), roleAccess(spRole(bench.kvm, child))]).toEqual([true, 5]);
    expect(
      leaves(bench.kvm, 1).some(({ lo, hi }) => isWritable(lo) || isMmuWritable(bench.kvm.format, lo, hi)),
    ).toBe(false);
  });

  it('needs no flush for new children (C14)', () => {
    expect(split(giant()).counter('flushes')).toBe(0);
  });

  it.each([{ eager: false }])('does nothing with %j', (given) => {
    expect(split(flat(given)).seen.splits).toEqual([]);
  });
});

describe('the split caches', () => {
  it('start empty: the first attempt of a VM answers EAGAIN and fills them (recordings, 1)', () => {
    const bench = flat();
    const { kvm } = bench;
    split(bench);
    expect(bench.errnos()).toEqual([EAGAIN, 0, 0, 0, 0]);
    const caches = splitCaches(kvm, 0);
    expect([caches.desc, caches.header, caches.table].map((cache) => cacheCount(kvm, cache))).toEqual([
      45, 36, 36,
    ]);
    expect([bench.counter('topups'), bench.counter('topupsCacheLow')]).toEqual([1, 1]);
  });

  it('are filled to their capacities: 553, 40 and 40 on x86; later only what is below its minimum', () => {
    const bench = flat({ tableBits: 9, rootLevel: 4, memory: '8M', mmuPages: 200 });
    const { kvm } = bench;
    split(bench, 0, 0);
    const caches = splitCaches(kvm, 0);
    const counts = (): number[] =>
      [caches.desc, caches.header, caches.table].map((cache) => cacheCount(kvm, cache));
    expect(counts()).toEqual([553, 39, 39]);
    kvm.arena.put(caches.desc, 512);
    split(bench, 512, 512);
    expect([bench.errnos(), counts()]).toEqual([
      [EAGAIN, 0, EAGAIN, 0],
      [553, 38, 38],
    ]);
  });

  it('make the pass give the lock up every 40 children', () => {
    const bench = split(flat({ memory: '1M', tableBits: 2, rootLevel: 5, mmuPages: 400 }));
    expect(leaves(bench.kvm, 1).length).toBe(256);
    const eagain = bench.errnos().flatMap((errno, at) => (errno === EAGAIN ? [at] : []));
    expect(eagain).toEqual([0, 41]);
  });

  it('that cannot be filled answer ENOMEM, and every head is tried once', () => {
    // What comes before the failing object stays, so the allocator has nothing at all.
    const bench = flat({ allocFailRate: 1 });
    bench.cpu.choose = () => 0;
    split(bench);
    expect(bench.errnos()).toEqual([ENOMEM, ENOMEM, ENOMEM, ENOMEM]);
    expect([
      leaves(bench.kvm, 2).length,
      bench.kvm.get(KVM.splitFailures),
      bench.counter('splitEnomem'),
    ]).toEqual([4, 4, 4]);
  });
});

describe('the page limit', () => {
  it('refuses at five available pages and not at six', () => {
    for (const [available, errnos] of [
      [5, [ENOSPC, ENOSPC, ENOSPC, ENOSPC]],
      [6, [EAGAIN, 0, ENOSPC, ENOSPC, ENOSPC]],
    ] as const) {
      const bench = flat();
      bench.kvm.put(KVM.nMax, bench.kvm.get(KVM.nUsed) + available);
      expect(split(bench).errnos()).toEqual(errnos);
    }
  });

  it('is tested before the child is looked up: a child that exists does not help, and before the caches', () => {
    const bench = new Bench(machineOf(aliases(2), { backing: '2m' }));
    bench.kvm.put(KVM.nMax, bench.kvm.get(KVM.nUsed) + 6);
    split(bench);
    expect(bench.errnos()).toEqual([EAGAIN, 0, ENOSPC]);
    expect([bench.counter('spReused'), leaves(bench.kvm, 2).length]).toEqual([0, 1]);
  });

  it('ends its head only, and leaves nothing half done', () => {
    const bench = flat();
    const { kvm } = bench;
    kvm.put(KVM.nMax, kvm.get(KVM.nUsed) + 7);
    split(bench);
    expect(bench.errnos()).toEqual([EAGAIN, 0, 0, ENOSPC, ENOSPC]);
    expect([leaves(kvm, 2).length, leaves(kvm, 1).length, kvm.get(KVM.splitFailures)]).toEqual([2, 8, 2]);
  });

  it('is a step of the engine (C2)', () => {
    const bench = flat({}, { ...P1_ENGINE, splitMinFreePages: 0 });
    bench.kvm.put(KVM.nMax, bench.kvm.get(KVM.nUsed) + 2);
    expect(split(bench).errnos()).toEqual([EAGAIN, 0, 0, ENOSPC, ENOSPC]);
  });
});

describe('need_resched', () => {
  it('always true lets no page be split: every attempt drops the lock (H-F)', () => {
    // The engine stops the experiment: it lets the 20th attempt pass.
    let asked = 0;
    const bench = flat({}, { ...P1_ENGINE, needTopupSplitCachesOrResched: () => ++asked < 20 });
    const { cpu } = bench;
    const before = cpu.mmuReleases;
    split(bench, 0, 4);
    expect(bench.errnos()).toEqual([...Array.from({ length: 19 }, () => EAGAIN), 0]);
    expect([
      cpu.mmuReleases - before,
      bench.counter('roundsWithoutSplit'),
      bench.counter('restarts'),
    ]).toEqual([20, 19, 20]);
  });
});
