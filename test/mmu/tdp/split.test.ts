// kernel-facts 4.1 to 4.4, on a slot of one 1G page: four 2M pages of four pages each.
import { describe, expect, it } from 'vitest';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import { enableDirtyLogging } from '../../../src/mmu/dirty-log.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { EBUSY, ENOMEM } from '../../../src/mmu/errno.ts';
import { sptePfn } from '../../../src/mmu/format.ts';
import { KVM, type Kvm } from '../../../src/mmu/kvm.ts';
import { tdpIterAfterYield, type TdpIter } from '../../../src/mmu/tdp/iter.ts';
import { tdpMmuLinkSp } from '../../../src/mmu/tdp/link.ts';
import { tdpAllocSpUnlocked, tdpTrySplitHugePages } from '../../../src/mmu/tdp/split.ts';
import type { Body } from '../../support/programs.ts';
import { Stage, twice } from '../../support/programs.ts';
import { TdpBench, type MapOptions } from '../../support/tdp-machine.ts';

const all = (level: number, flags = 'wda'): string[] => {
  const pages = level === 1 ? 1 : 4;
  return Array.from({ length: 16 / pages }, (_, at) => `${at * pages}:${level}${flags}`);
};

function split(bench: TdpBench, start: number, end: number, target = 1, shared = true): void {
  const { kvm, cpu, slot } = bench;
  const steps = tdpTrySplitHugePages(kvm, cpu, slot, bench.gfn(start), bench.gfn(end), target, shared);
  if (shared) bench.shared(steps);
  else bench.locked(steps);
}

/** Attempts: page, level, errno. */
function record(bench: TdpBench): number[][] {
  const seen: number[][] = [];
  bench.seen.tdpSplitAttempt = (_cpu, gfn, level, _lo, _hi, errno) =>
    seen.push([gfn - bench.slot.baseGfn, level, errno]);
  return seen;
}

const mapped = (level: number, options: MapOptions = {}, engine?: Engine, given = {}): TdpBench => {
  const bench = new TdpBench(given, engine);
  for (let page = 0; page < 16; page += [0, 1, 4, 16][level]!) bench.map(page, level, options);
  return bench;
};

const pages = (kvm: Kvm): number[] => [0, 1, 2].map((at) => kvm.get(KVM.tdpLeaves + at));

describe('a split', () => {
  it.each([true, false])('takes 1G pages apart down to 4K in one walk (shared %s)', (shared) => {
    const bench = mapped(3);
    const seen = record(bench);
    const flushes = bench.counter('flushes');
    const tables = bench.kvm.get(KVM.tdpPages);
    split(bench, 0, 16, 1, shared);
    expect(bench.shape).toEqual(all(1));
    expect(bench.tdpLeaves().map(({ lo, hi }) => sptePfn(lo, hi))).toEqual(
      Array.from({ length: 16 }, (_, page) => bench.slot.pfn(bench.gfn(page))),
    );
    expect(seen).toEqual([
      [0, 3, 0],
      [0, 2, 0],
      [4, 2, 0],
      [8, 2, 0],
      [12, 2, 0],
    ]);
    expect([pages(bench.kvm), bench.kvm.get(KVM.tdpPages) - tables]).toEqual([[16, 0, 0], 5]);
    expect([bench.counter('flushes') - flushes, bench.counter('tdpSplits')]).toEqual([0, 5]);
    expect(bench.seen.splits).toEqual([]);
  });

  it('stops at the target level and at the ends of the range', () => {
    const bench = mapped(3);
    split(bench, 0, 16, 2);
    expect(bench.shape).toEqual(all(2));
    split(bench, 5, 9);
    expect(bench.shape.map((leaf) => leaf.slice(0, -3))).toEqual(
      '0:2 4:1 5:1 6:1 7:1 8:1 9:1 10:1 11:1 12:2'.split(' '),
    );
  });

  it('of an empty range does nothing, unlike that of the shadow MMU (B-01)', () => {
    const bench = mapped(2);
    split(bench, 4, 4, 1, false);
    expect(bench.shape).toEqual(all(2));
  });

  it.each([{ dirty: false }, { write: false }, { write: false, dirty: false, accessed: false }])(
    'gives every page the bits of the huge one (%j)',
    (options) => {
      const bench = mapped(2, options);
      const [before] = bench.shape;
      split(bench, 0, 16);
      expect(bench.shape).toEqual(all(1, before!.slice(3)));
    },
  );

  it('is not made without eager_page_split', () => {
    const bench = mapped(2, {}, undefined, { eager: false });
    split(bench, 0, 16);
    expect(bench.shape).toEqual(all(2));
  });
});

describe('hardware that sets D while the table is filled', () => {
  /** The thread that splits under a shared or exclusive lock stands before its store; hardware then sets D. */
  function race(shared: boolean, engine: Engine): { shape: string[]; inherited: number; retries: number } {
    return twice(() => {
      const bench = new TdpBench({}, engine);
      bench.map(0, 2, { dirty: false });
      const { kvm, slot } = bench;
      const [huge] = bench.tdpLeaves();
      let inherited = 0;
      kvm.observer.hostPageInherits = (_cpu, _sptep, _lo, _hi, dirty) => {
        if (dirty) inherited++;
      };
      const splitter: Body = function* (cpu) {
        if (shared) yield* kvm.readLock(cpu);
        else yield* kvm.writeLock(cpu);
        yield* tdpTrySplitHugePages(kvm, cpu, slot, slot.baseGfn, slot.baseGfn + 4, 1, shared);
        if (shared) yield* kvm.readUnlock(cpu);
        else yield* kvm.writeUnlock(cpu);
      };
      const stage = new Stage(kvm.arena, [splitter]);
      let attempts = 0;
      bench.seen.tdpSplitAttempt = (_cpu, _gfn, _level, _lo, _hi, errno) => {
        if (errno === EBUSY) attempts++;
      };
      const cpu = stage.cpus[0]!;
      stage.runUntil(0, () => cpu.pendingWord === huge!.sptep * 2 && cpu.pendingOp !== 9);
      kvm.arena.put(huge!.sptep * 2, huge!.lo | kvm.format.dirtyLo);
      stage.finish(0);
      return { stage, result: { shape: bench.shape, inherited, retries: attempts } };
    });
  }

  const fourPages = (flags: string): string[] => [0, 1, 2, 3].map((page) => `${page}:1${flags}`);
  const notCompared: Engine = {
    ...P1_ENGINE,
    *tdpLinkSplitChild(kvm, cpu, iter, sp) {
      // A store where a compare-and-exchange belongs.
      const { held } = cpu;
      cpu.held |= 1;
      yield* tdpMmuLinkSp(kvm, cpu, iter, sp, false);
      cpu.held = held;
      return 0;
    },
    *tdpWriteSpte(_kvm, cpu, sptep, oldLo, oldHi, lo, hi) {
      yield cpu.at(10, sptep * 2);
      cpu.store64(sptep, lo, hi);
      cpu.lo = oldLo;
      cpu.hi = oldHi;
    },
  };

  it('makes the shared exchange fail once, and all pages have D', () => {
    expect(race(true, P1_ENGINE)).toEqual({ shape: fourPages('wda'), inherited: 1, retries: 1 });
  });

  it('is lost if the entry is stored and not exchanged', () => {
    expect(race(true, notCompared)).toEqual({ shape: fourPages('w-a'), inherited: 0, retries: 0 });
  });

  it('is seen by the exclusive exchange, and the host page inherits it (B-24)', () => {
    expect(race(false, P1_ENGINE)).toEqual({ shape: fourPages('w-a'), inherited: 1, retries: 0 });
  });

  it('is lost for the host page too if the exclusive write is plain (tdpPlainWrite)', () => {
    const plain: Engine = { ...P1_ENGINE, tdpWriteSpte: notCompared.tdpWriteSpte };
    expect(race(false, plain)).toEqual({ shape: fourPages('w-a'), inherited: 0, retries: 0 });
  });
});

describe('memory for the tables', () => {
  const failing = (answers: boolean[], bench: TdpBench): void => {
    bench.cpu.chance = () => answers.shift() ?? false;
  };
  /** need_resched() is asked by the walk with a rate of 0. */
  const only = (answers: boolean[], bench: TdpBench): void => {
    failing(answers, bench);
    const { chance } = bench.cpu;
    bench.cpu.chance = (p) => p > 0 && chance.call(bench.cpu, p);
  };

  it('is asked for under the lock, and without it if that fails; the walk starts over', () => {
    const bench = mapped(2, {}, undefined, { enomemRate: 0.5 });
    only([true, false], bench);
    const releases = bench.cpu.mmuReleases;
    const seen = record(bench);
    split(bench, 0, 8);
    expect(seen).toEqual([
      [0, 2, 0],
      [4, 2, 0],
    ]);
    expect([bench.cpu.mmuReleases - releases, bench.counter('injectedEnomem')]).toEqual([2, 1]);
  });

  it('that cannot be had ends the pass with -ENOMEM', () => {
    const bench = mapped(2, {}, undefined, { enomemRate: 0.5 });
    only([false, true, true], bench);
    const seen = record(bench);
    split(bench, 0, 16);
    expect(seen).toEqual([
      [0, 2, 0],
      [4, 2, ENOMEM],
    ]);
    expect([bench.kvm.get(KVM.splitFailures), bench.counter('tdpSplitEnomem'), pages(bench.kvm)]).toEqual([
      1,
      1,
      [4, 3, 0],
    ]);
    expect(bench.kvm.w[bench.kvm.mmuLock.cnts]).toBe(0);
  });

  it.each([true, false])('is asked for without the lock since 6.11 (shared %s, B-57)', (shared) => {
    const bench = mapped(2, {}, { ...P1_ENGINE, tdpAllocSpForSplit: tdpAllocSpUnlocked });
    const releases = bench.cpu.mmuReleases;
    split(bench, 0, 16, 1, shared);
    expect([bench.cpu.mmuReleases - releases, bench.shape]).toEqual([5, all(1)]);
    const quick = mapped(2);
    const before = quick.cpu.mmuReleases;
    split(quick, 0, 16, 1, shared);
    expect(quick.cpu.mmuReleases - before).toBe(1);
  });

  it('that was not used goes back', () => {
    const bench = mapped(2, {}, { ...P1_ENGINE, tdpAllocSpForSplit: tdpAllocSpUnlocked });
    const { kvm, cpu, slot } = bench;
    const live = kvm.tablePool.live;
    // While the lock is dropped for the first page, somebody zaps it.
    const zapping: Engine['tdpAllocSpForSplit'] = function* (vm, thread, iter, shared) {
      const sp = yield* tdpAllocSpUnlocked(vm, thread, iter, shared);
      for (const { sptep } of bench.tdpLeaves()) vm.arena.put(sptep * 2, 0);
      return sp;
    };
    Object.assign(kvm, { engine: { ...kvm.engine, tdpAllocSpForSplit: zapping } });
    bench.shared(tdpTrySplitHugePages(kvm, cpu, slot, bench.gfn(0), bench.gfn(16), 1, true));
    expect(kvm.tablePool.live).toBe(live);
  });
});

describe('a walk that gives the lock up', () => {
  const resched: Engine = { ...P1_ENGINE };
  const advance: Engine = {
    ...P1_ENGINE,
    // Before 3a0f64de479c: the walk starts over at once, and the loop then goes on to the next entry.
    *tdpIterAfterYield(iter: TdpIter, cpu) {
      yield* iter.restart(cpu);
      yield* iter.next(cpu);
    },
  };
  const run = (engine: Engine, shared: boolean): { shape: string[]; yields: number } => {
    const bench = mapped(2, {}, engine, { reschedRate: 1 });
    split(bench, 0, 16, 1, shared);
    return { shape: bench.shape, yields: bench.counter('tdpYields') };
  };

  it.each([true, false])(
    'at every chance still splits everything, and makes progress (shared %s)',
    (shared) => {
      const { shape, yields } = run(resched, shared);
      expect(shape).toEqual(all(1));
      expect(yields).toBeGreaterThan(2);
      expect(yields).toBeLessThan(12);
    },
  );

  it('skips an entry if it goes on one too far (B-29)', () => {
    expect(run(advance, true).shape).not.toEqual(all(1));
    expect(tdpIterAfterYield).toBe(P1_ENGINE.tdpIterAfterYield);
  });
});

describe('E1', () => {
  it('splits and write-protects both MMUs, the shadow MMU first (C13)', () => {
    const order = (engine: Engine): string[] => {
      const bench = mapped(2, {}, engine);
      bench.touch(bench.gfn(0), 'write');
      const seen: string[] = [];
      bench.seen.splitAttempt = (_cpu, _gfn, _level, _lo, _hi, errno) => {
        if (errno === 0) seen.push('shadow');
      };
      bench.seen.tdpSplitAttempt = () => seen.push('tdp');
      bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
      expect(bench.shape).toEqual(all(1, '-da'));
      return seen;
    };
    expect(order(P1_ENGINE)).toEqual(['shadow', 'tdp', 'tdp', 'tdp', 'tdp']);
    expect(order({ ...P1_ENGINE, splitsTdpFirst: true })).toEqual(['tdp', 'tdp', 'tdp', 'tdp', 'shadow']);
  });
});
