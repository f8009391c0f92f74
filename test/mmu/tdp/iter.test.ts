// kernel-facts 4.2, B-21, B-29, D20: the pre-order walk and its yields.
import { describe, expect, it } from 'vitest';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { isShadowPresent } from '../../../src/mmu/format.ts';
import { tdpMmuIterCondResched, TdpIter } from '../../../src/mmu/tdp/iter.ts';
import { rcuReadLock, rcuReadUnlock } from '../../../src/mmu/tdp/rcu.ts';
import { tdpMmuZapLeafs } from '../../../src/mmu/tdp/zap.ts';
import { TdpBench } from '../../support/tdp-machine.ts';
import type { Given } from '../../support/machines.ts';

/** Every entry visited as `page:level`, `+` behind those that are present. */
function visit(bench: TdpBench, minLevel: number, start: number, end: number): string[] {
  const { kvm, cpu } = bench;
  const seen: string[] = [];
  bench.shared(
    (function* () {
      yield* rcuReadLock(kvm, cpu);
      const iter = new TdpIter(kvm, bench.root, minLevel, bench.gfn(start));
      for (yield* iter.start(cpu); iter.valid && iter.gfn < bench.gfn(end); yield* iter.next(cpu)) {
        seen.push(`${iter.gfn - bench.slot.baseGfn}:${iter.level}${isShadowPresent(iter.lo) ? '+' : ''}`);
      }
      yield* rcuReadUnlock(kvm, cpu);
    })(),
  );
  return seen;
}

/** 2M, two pages of 4K, nothing, 2M. */
function mixed(given: Given = {}, engine?: Engine): TdpBench {
  const bench = new TdpBench(given, engine);
  bench.map(0, 2);
  bench.map(4, 1);
  bench.map(6, 1);
  bench.map(12, 2);
  return bench;
}

describe('the walk', () => {
  it('visits a table before its entries, and entries by rising gfn', () => {
    expect(visit(mixed(), 1, 0, 16)).toEqual([
      '0:3+',
      '0:2+',
      '4:2+',
      '4:1+',
      '5:1',
      '6:1+',
      '7:1',
      '8:2',
      '12:2+',
    ]);
  });

  it('does not go below the least level', () => {
    expect(visit(mixed(), 2, 0, 16)).toEqual(['0:3+', '0:2+', '4:2+', '8:2', '12:2+']);
    expect(visit(mixed(), 3, 0, 16)).toEqual(['0:3+']);
  });

  it('begins with the entries that contain its first gfn, and ends before its last', () => {
    expect(visit(mixed(), 1, 6, 9)).toEqual(['0:3+', '4:2+', '6:1+', '7:1', '8:2']);
    expect(visit(mixed(), 1, 5, 6)).toEqual(['0:3+', '4:2+', '5:1']);
  });
});

describe('a walk that may give the lock up', () => {
  const zap = (bench: TdpBench, canYield = true): boolean =>
    bench.locked(tdpMmuZapLeafs(bench.kvm, bench.cpu, bench.gfn(0), bench.gfn(32), canYield));

  it('comes to everything although it yields wherever it can, and yields once per gfn at most', () => {
    const bench = mixed({ reschedRate: 1 });
    zap(bench);
    expect(bench.shape).toEqual([]);
    const yields = bench.counter('tdpYields');
    expect(yields).toBeGreaterThan(4);
    expect(yields).toBeLessThanOrEqual(12);
  });

  it('does not yield twice at one gfn', () => {
    const bench = mixed({ reschedRate: 1 });
    const { kvm, cpu } = bench;
    const answers: boolean[] = [];
    bench.locked(
      (function* () {
        yield* rcuReadLock(kvm, cpu);
        const iter = new TdpIter(kvm, bench.root, 1, bench.gfn(0));
        yield* iter.start(cpu);
        answers.push(yield* tdpMmuIterCondResched(kvm, cpu, iter, false, false));
        while (iter.gfn < bench.gfn(4)) yield* iter.next(cpu);
        answers.push(yield* tdpMmuIterCondResched(kvm, cpu, iter, false, false));
        yield* iter.next(cpu);
        answers.push(yield* tdpMmuIterCondResched(kvm, cpu, iter, false, false));
        yield* rcuReadUnlock(kvm, cpu);
      })(),
    );
    expect(answers).toEqual([false, true, false]);
  });

  it('stays inside its lock if nobody wants it', () => {
    const bench = mixed();
    const releases = bench.cpu.mmuReleases;
    zap(bench);
    expect([bench.counter('tdpYields'), bench.cpu.mmuReleases - releases]).toEqual([0, 1]);
  });

  /** Two 1G pages, mapped by entries of the root itself. */
  function roots(engine: Engine): string[] {
    const bench = new TdpBench({ reschedRate: 1, memory: '128K' }, engine);
    bench.map(0, 3);
    bench.map(16, 3);
    zap(bench);
    return bench.shape;
  }

  it('starts over at the entry it stood at', () => {
    expect(roots(P1_ENGINE)).toEqual([]);
  });

  it('misses that entry if it starts over at once and then advances (B-29, advanceAfterYield)', () => {
    const engine: Engine = {
      ...P1_ENGINE,
      *tdpIterAfterYield(iter, cpu) {
        yield* iter.restart(cpu);
      },
    };
    expect(roots(engine)).toEqual(['16:3wda']);
  });

  it('flushes what it has zapped before it yields, and what is left is for its caller (D20)', () => {
    const bench = mixed({ reschedRate: 1 });
    expect([zap(bench), bench.seen.flushes.length]).toEqual([false, 4]);
    const still = mixed();
    expect([zap(still), still.seen.flushes.length]).toEqual([true, 0]);
  });

  it('forgets the flush if the yield does not do it (B-21, lostFlushOnYield)', () => {
    const bench = mixed({ reschedRate: 1 }, { ...P1_ENGINE, tdpFlushBeforeYield: () => false });
    expect([zap(bench), bench.seen.flushes.length]).toEqual([false, 0]);
  });
});
