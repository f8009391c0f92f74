// Versions of Linux between 6.1 and 6.13: the steps in which they differ (kernel-facts 1.3, 3.13, 10.2).
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rmapCheck } from '../../src/check/rmaps.ts';
import { clearDirtyLog, enableDirtyLogging } from '../../src/mmu/dirty-log.ts';
import { KernelBug } from '../../src/mmu/bug.ts';
import type { Kvm } from '../../src/mmu/kvm.ts';
import { cacheCount, cacheTopup, vcpuCaches } from '../../src/mmu/memory-cache.ts';
import { DESC_COUNT, DESC_MORE, descCounts, descTail, descWord } from '../../src/mmu/pte-desc.ts';
import {
  pteListAdd,
  pteListDescs,
  pteListEntries,
  pteListRemove,
  RmapIterator,
} from '../../src/mmu/pte-list.ts';
import { mmuSpteUpdate } from '../../src/mmu/rmap.ts';
import { engineNamed, hunt, shipped } from '../support/hunt.ts';
import { Bench, identity, leaves, machineOf, rootOf } from '../support/machines.ts';
import { holds } from '../support/property.ts';
import { findings } from '../support/q-machine.ts';

/** Forty-five aliases of one 4K page. */
const ALIASES = 45;
const aliased = (engine: string): Bench =>
  new Bench(
    machineOf(
      rootOf(({ base }) => [{ l2Gfn: 0, l1Gfn: base, level: 1, count: ALIASES, l1Step: 0 }]),
      { mmuPages: 256 },
    ),
    engineNamed(engine),
  );

describe('desc-6.4', () => {
  const bench = new Bench(machineOf(identity(2, []), { backing: '2m' }), engineNamed('desc-6.4'));
  const { kvm, slot } = bench;
  const head = slot.rmapWord(slot.baseGfn, 1);
  const cache = vcpuCaches(kvm, 0).desc;
  const fill = (): boolean => cacheTopup(kvm, cache, kvm.descPool, 14, 40);
  const empty = (): void => {
    for (const sptep of pteListEntries(kvm, head)) pteListRemove(kvm, sptep, head);
    fill();
  };
  const add = (...spteps: number[]): number[] => spteps.map((sptep) => pteListAdd(kvm, cache, sptep, head));
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

  it('puts a new descriptor in front, so that all behind are full, and counts what is behind', () => {
    empty();
    expect(add(...upTo(30))).toEqual(upTo(30).map((n) => n - 1));
    expect(pteListDescs(kvm, head)).toEqual([2, 14, 14]);
    expect(pteListEntries(kvm, head).slice(0, 3)).toEqual([29, 30, 15]);
    const first = descWord(kvm, kvm.w[head]! >>> 1);
    expect([
      descTail(kvm.w[first + DESC_COUNT]!),
      descTail(kvm.w[descWord(kvm, kvm.w[first + DESC_MORE]!) + DESC_COUNT]!),
    ]).toEqual([28, 14]);
  });

  it('fills a hole with the last entry of the first descriptor', () => {
    empty();
    add(...upTo(16));
    pteListRemove(kvm, 3, head);
    expect(pteListEntries(kvm, head)).toEqual([15, 1, 2, 16, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    pteListRemove(kvm, 1, head);
    expect([pteListDescs(kvm, head), pteListEntries(kvm, head)[0]]).toEqual([[14], 15]);
    expect(() => pteListRemove(kvm, 1, head)).toThrow(KernelBug);
  });

  it('keeps every entry, its counts and its descriptors through any additions and removals', () => {
    holds(
      fc.property(fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 200 }), (moves) => {
        empty();
        const inLists = (): number => kvm.descPool.live - cacheCount(kvm, cache);
        const before = inLists();
        const model = new Set<number>();
        for (const move of moves) {
          fill();
          const held = model.size;
          const removes = model.delete(move + 1);
          const before = removes
            ? pteListRemove(kvm, move + 1, head)
            : pteListAdd(kvm, cache, move + 1, head);
          expect(before).toBe(removes ? undefined : held);
          if (!removes) model.add(move + 1);
          expect(new Set(pteListEntries(kvm, head))).toEqual(model);
          const sizes = pteListDescs(kvm, head);
          expect(sizes.slice(1).every((size) => size === 14)).toBe(true);
        }
        const iterator = new RmapIterator();
        const seen: number[] = [];
        for (let at = iterator.first(kvm, head, 0); at !== 0; at = iterator.next(kvm)) seen.push(at);
        expect(seen).toEqual(pteListEntries(kvm, head));
        empty();
        expect(inLists()).toBe(before);
      }),
      60,
    );
  });

  it('keeps lists that Q21 accepts, and Q21 of the other version does not', () => {
    const made = aliased('desc-6.4');
    expect(pteListDescs(made.kvm, made.slot.rmapWord(made.slot.baseGfn, 1))).toEqual([3, 14, 14, 14]);
    expect(findings(made.kvm, [rmapCheck])).toEqual([]);
    const old = aliased('p1');
    expect(pteListDescs(old.kvm, old.slot.rmapWord(old.slot.baseGfn, 1))).toEqual([14, 14, 14, 3]);
    expect(findings(old.kvm, [rmapCheck])).toEqual([]);
    Object.assign(old.kvm, { engine: engineNamed('desc-6.4') });
    expect(findings(old.kvm, [rmapCheck]).map(({ id }) => id)).toContain('Q21');
    Object.assign(made.kvm, { engine: engineNamed('p1') });
    expect(findings(made.kvm, [rmapCheck]).map(({ id }) => id)).toContain('Q21');
  });

  it.each([
    [
      'a tail count of the first descriptor',
      (k: Kvm, first: number) => k.arena.put(first + DESC_COUNT, descCounts(3, 41)),
    ],
    [
      'a tail count further behind',
      (k: Kvm, first: number) =>
        k.arena.put(descWord(k, k.w[first + DESC_MORE]!) + DESC_COUNT, descCounts(14, 27)),
    ],
    [
      'a descriptor behind the first that is not full',
      (k: Kvm, first: number) =>
        k.arena.put(descWord(k, k.w[first + DESC_MORE]!) + DESC_COUNT, descCounts(13, 28)),
    ],
    [
      'a list cut short',
      (k: Kvm, first: number) => k.arena.put(descWord(k, k.w[first + DESC_MORE]!) + DESC_MORE, 0),
    ],
  ])('Q21 sees %s', (_what, corrupt) => {
    const made = aliased('desc-6.4');
    corrupt(made.kvm, descWord(made.kvm, made.kvm.w[made.slot.rmapWord(made.slot.baseGfn, 1)]! >>> 1));
    expect(findings(made.kvm, [rmapCheck]).map(({ id }) => id)).toContain('Q21');
  });
});

describe('clear-6.8', () => {
  it('splits the block that begins with the last page asked for (B-01)', () => {
    const left = (name: string): number => {
      const bench = new Bench(
        machineOf(identity(2), { backing: '2m', manual: 'initially-set' }),
        engineNamed(name),
      );
      bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
      // Pages 3 and 4: the last of the first block and the first of the second.
      bench.run(clearDirtyLog(bench.kvm, bench.cpu, bench.slot, 0, 64, { lo: 0b11000, hi: 0 }));
      return leaves(bench.kvm, 2).length;
    };
    expect([left('p1'), left('clear-6.8')]).toEqual([3, 2]);
  });
});

describe('flush-elision-6.13', () => {
  it('flushes for a leaf changed in place only if MMU-writable goes', () => {
    const flush = (
      name: string,
      change: (lo: number, hi: number, kvm: Kvm) => readonly [number, number],
    ): boolean => {
      const bench = new Bench(machineOf(identity(1), { backing: '4k' }), engineNamed(name));
      const { kvm, cpu } = bench;
      const { sptep, lo, hi } = leaves(kvm, 1)[0]!;
      bench.run(kvm.writeLock(cpu));
      return mmuSpteUpdate(kvm, cpu, sptep, ...change(lo, hi, kvm));
    };
    const withoutW = (lo: number, hi: number) => [lo & ~2, hi] as const;
    const withoutD = (lo: number, hi: number, { format }: Kvm) => [lo & ~format.dirtyLo, hi] as const;
    const withoutM = (lo: number, hi: number, { format }: Kvm) =>
      [lo & ~2, hi & ~format.mmuWritableHi] as const;
    const same = (lo: number, hi: number) => [lo, hi] as const;
    expect([withoutW, withoutD, withoutM, same].map((change) => flush('p1', change))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect([withoutW, withoutD, withoutM, same].map((change) => flush('flush-elision-6.13', change))).toEqual(
      [false, false, true, false],
    );
  });
});

describe('needbreak-dynamic-bug', () => {
  it('lets a lock holder see contention whatever the preemption model is (B-56)', () => {
    const visible = (name: string): boolean[] =>
      ['none', 'voluntary', 'full'].map(
        (preempt) =>
          new Bench(machineOf(identity(2), { backing: '2m', preempt }), engineNamed(name)).kvm
            .needbreakVisible,
      );
    expect(visible('p1')).toEqual([false, false, true]);
    expect(visible('needbreak-dynamic-bug')).toEqual([true, true, true]);
  });
});

describe.each([
  'desc-6.4',
  'clear-6.8',
  'tdp-alloc-6.11',
  'flush-elision-6.13',
  'recover-in-place-6.13',
  'desc-6.4+clear-6.8+tdp-alloc-6.11+flush-elision-6.13+recover-in-place-6.13',
])('%s', (names) => {
  it.each([
    'alias-mixed-access',
    'both-mmus',
    'log-cycle',
    'shadowed-tables',
    'initially-all-set',
    'l1-remap',
  ])('is clean in %s', async (scenario) => {
    expect(hunt(await shipped(scenario), engineNamed(names), 40)).toBeUndefined();
  });
});

describe('later versions, where they differ', () => {
  const ALL =
    'nx-6.2+tdp-shrink-6.2+desc-6.4+clear-6.8+tdp-zap-6.10+tdp-alloc-6.11+slot-zap-6.12+flush-elision-6.13+' +
    'recover-in-place-6.13+lockless-aging-6.15';

  it.each([
    ['nx-6.2', 'nx-recovery'],
    ['tdp-shrink-6.2', 'tdp-races'],
    ['tdp-zap-6.10', 'tdp-races'],
    ['slot-zap-6.12', 'memslot-delete'],
    ['lockless-aging-6.15', 'tdp-races'],
    ['lockless-aging-6.15', 'access-tracking'],
    [ALL, 'kitchen-sink'],
  ])('%s is clean in %s', async (names, scenario) => {
    expect(hunt(await shipped(scenario), engineNamed(names), 30)).toBeUndefined();
  });

  it('lockless aging with the frozen value of 6.1 loses a table that a fault has installed', async () => {
    expect(hunt(await shipped('tdp-races'), engineNamed('aging-thaws'), 300, { master: 1 })).toBe('Q38');
  });
});
