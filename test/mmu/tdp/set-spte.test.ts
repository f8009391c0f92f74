// kernel-facts 4.3, 4.5, B-24, B-33, Q36, Q37, Q47, D5: how entries of the TDP MMU change.
import { describe, expect, it } from 'vitest';
import { Op, type Steps } from '../../../src/cpu/steps.ts';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { EBUSY } from '../../../src/mmu/errno.ts';
import { isRemovedSpte, isShadowPresent, REMOVED_SPTE_LO } from '../../../src/mmu/format.ts';
import { hardwarePresent } from '../../../src/mmu/hardware.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { TdpIter } from '../../../src/mmu/tdp/iter.ts';
import { rcuQueuedPages, rcuReadLock, rcuReadUnlock } from '../../../src/mmu/tdp/rcu.ts';
import { tdpMmuSetSpte, tdpMmuSetSpteAtomic, tdpMmuZapSpteAtomic } from '../../../src/mmu/tdp/set-spte.ts';
import type { Cpu } from '../../../src/cpu/cpu.ts';
import { Stage, twice, type Body } from '../../support/programs.ts';
import { TdpBench, type TdpLeaf } from '../../support/tdp-machine.ts';

/** Works on the entry of `level` for `page`, inside RCU. */
function* at<T>(
  bench: TdpBench,
  cpu: Cpu,
  page: number,
  level: number,
  work: (iter: TdpIter) => Steps<T>,
): Steps<T> {
  const { kvm } = bench;
  yield* rcuReadLock(kvm, cpu);
  const iter = new TdpIter(kvm, bench.root, level, bench.gfn(page));
  yield* iter.start(cpu);
  while (iter.level > level) yield* iter.next(cpu);
  const result = yield* work(iter);
  yield* rcuReadUnlock(kvm, cpu);
  return result;
}

const counts = ({ kvm }: TdpBench): number[][] => [
  [0, 1, 2].map((level) => kvm.get(KVM.pages + level)),
  [0, 1, 2].map((level) => kvm.get(KVM.tdpLeaves + level)),
  [kvm.get(KVM.tdpPages)],
];

describe('what is counted', () => {
  it('are the leaves of each level and the tables below the root', () => {
    const bench = new TdpBench();
    bench.map(0, 2);
    bench.map(4, 1);
    bench.map(5, 1);
    expect(counts(bench)).toEqual([[2, 1, 0], [2, 1, 0], [2]]);
    bench.locked(at(bench, bench.cpu, 5, 1, (iter) => tdpMmuSetSpte(bench.kvm, bench.cpu, iter, 0, 0)));
    expect(counts(bench)).toEqual([[1, 1, 0], [1, 1, 0], [2]]);
  });

  it('is not a frozen value, although it has the bit of a huge page (B-33)', () => {
    const zap = (engine: Engine): number[][] => {
      const bench = new TdpBench({}, engine);
      bench.map(0, 2);
      bench.shared(at(bench, bench.cpu, 0, 2, (iter) => tdpMmuZapSpteAtomic(bench.kvm, bench.cpu, iter)));
      return counts(bench);
    };
    expect(zap(P1_ENGINE)).toEqual([[0, 0, 0], [0, 0, 0], [1]]);
    const psAlone: Engine = {
      ...P1_ENGINE,
      tdpCountsAsLeaf: (lo, level) => level === 1 || (lo & 0x80) !== 0,
    };
    expect(zap(psAlone)[1]).not.toEqual([0, 0, 0]);
  });
});

describe('a compare-and-exchange', () => {
  it('does nothing to an entry that has changed, and brings its value', () => {
    const bench = new TdpBench();
    bench.map(0, 2, { dirty: false });
    const { kvm, cpu } = bench;
    const [leaf] = bench.tdpLeaves();
    const result = bench.shared(
      at(bench, cpu, 0, 2, function* (iter) {
        kvm.arena.put(leaf!.sptep * 2, leaf!.lo | kvm.format.dirtyLo);
        return [yield* tdpMmuSetSpteAtomic(kvm, cpu, iter, 0, 0), iter.lo & kvm.format.dirtyLo];
      }),
    );
    expect(result).toEqual([EBUSY, kvm.format.dirtyLo]);
    expect(bench.shape).toEqual(['0:2wda']);
  });

  it('does not touch a frozen entry', () => {
    const bench = new TdpBench();
    bench.map(0, 2);
    const { kvm, cpu } = bench;
    const [leaf] = bench.tdpLeaves();
    kvm.arena.put(leaf!.sptep * 2, REMOVED_SPTE_LO);
    kvm.arena.put(leaf!.sptep * 2 + 1, 0);
    const set = bench.shared(
      at(bench, cpu, 0, 2, (iter) => tdpMmuSetSpteAtomic(kvm, cpu, iter, leaf!.lo, leaf!.hi)),
    );
    expect([set, kvm.w[leaf!.sptep * 2], bench.counter('tdpFrozenRetries')]).toEqual([
      EBUSY,
      REMOVED_SPTE_LO,
      1,
    ]);
  });

  it('needs mmu_lock, and a plain store needs it for write (D1)', () => {
    const bench = new TdpBench();
    bench.map(0, 2);
    bench.run(at(bench, bench.cpu, 0, 2, (iter) => tdpMmuSetSpteAtomic(bench.kvm, bench.cpu, iter, 0, 0)));
    bench.shared(at(bench, bench.cpu, 4, 2, (iter) => tdpMmuSetSpte(bench.kvm, bench.cpu, iter, 0, 0)));
    expect(bench.seen.broke.map(({ id }) => id)).toEqual(['D1', 'D1']);
  });
});

describe('an atomic zap', () => {
  it('keeps the entry frozen until the flush is done', () => {
    const bench = new TdpBench();
    bench.map(0, 2);
    const { kvm, cpu } = bench;
    const [leaf] = bench.tdpLeaves();
    let during = [0, 0];
    bench.seen.flush = () => {
      during = [kvm.w[leaf!.sptep * 2]!, kvm.w[leaf!.sptep * 2 + 1]!];
    };
    bench.shared(at(bench, cpu, 0, 2, (iter) => tdpMmuZapSpteAtomic(kvm, cpu, iter)));
    expect(isRemovedSpte(during[0]!, during[1]!)).toBe(true);
    expect([hardwarePresent(kvm, during[0]!), isShadowPresent(during[0]!)]).toEqual([false, false]);
    expect([kvm.w[leaf!.sptep * 2], bench.shape]).toEqual([0, []]);
  });

  it.each([
    [4, {}],
    [1, { tdpFlushPages: () => 1 }],
  ])('flushes the pages of its level: %i (B-19)', (pages, step) => {
    const bench = new TdpBench({}, { ...P1_ENGINE, ...step });
    bench.map(0, 2);
    bench.shared(at(bench, bench.cpu, 0, 2, (iter) => tdpMmuZapSpteAtomic(bench.kvm, bench.cpu, iter)));
    expect(bench.seen.flushes).toEqual([{ reason: 'tdp', gfn: bench.gfn(0), pages }]);
  });

  it.each([true, false])('tells the host of a dirty page, whenever it deals with it (%s)', (late) => {
    const bench = new TdpBench({}, { ...P1_ENGINE, tdpProcessesZappedAfterFlush: late });
    bench.map(0, 2);
    const order: string[] = [];
    bench.seen.flush = () => order.push('flush');
    bench.seen.hostPageInherits = (_cpu, _sptep, _lo, _hi, dirty) => {
      if (dirty) order.push('dirty');
    };
    bench.shared(at(bench, bench.cpu, 0, 2, (iter) => tdpMmuZapSpteAtomic(bench.kvm, bench.cpu, iter)));
    expect(order).toEqual(late ? ['flush', 'dirty'] : ['dirty', 'flush']);
  });
});

describe('a table that is cut off', () => {
  it.each([true, false])(
    'has every entry frozen and is queued for RCU, with all below (shared %s)',
    (shared) => {
      const bench = new TdpBench();
      bench.map(0, 1);
      bench.map(5, 1);
      const { kvm, cpu } = bench;
      const before = bench.tdpLeaves();
      if (shared) bench.shared(at(bench, cpu, 0, 3, (iter) => tdpMmuSetSpteAtomic(kvm, cpu, iter, 0, 0)));
      else bench.locked(at(bench, cpu, 0, 3, (iter) => tdpMmuSetSpte(kvm, cpu, iter, 0, 0)));
      expect(counts(bench)).toEqual([[0, 0, 0], [0, 0, 0], [0]]);
      expect(rcuQueuedPages(kvm)).toHaveLength(3);
      const frozen = ({ sptep }: TdpLeaf): boolean => isRemovedSpte(kvm.w[sptep * 2]!, kvm.w[sptep * 2 + 1]!);
      expect(before.map(frozen)).toEqual([true, true]);
    },
  );

  it('is taken apart only after whoever is zapping one of its entries has finished', () => {
    const { blocked, queued, left } = twice(() => {
      const bench = new TdpBench();
      bench.map(0, 1);
      const { kvm } = bench;
      const [leaf] = bench.tdpLeaves();
      const word = leaf!.sptep * 2;
      const zapper: Body = function* (cpu) {
        yield* kvm.readLock(cpu);
        yield* at(bench, cpu, 0, 1, (iter) => tdpMmuZapSpteAtomic(kvm, cpu, iter));
        yield* kvm.readUnlock(cpu);
      };
      const remover: Body = function* (cpu) {
        yield* kvm.readLock(cpu);
        yield* at(bench, cpu, 0, 2, (iter) => tdpMmuSetSpteAtomic(kvm, cpu, iter, 0, 0));
        yield* kvm.readUnlock(cpu);
      };
      const stage = new Stage(kvm.arena, [zapper, remover]);
      stage.runUntil(0, () => kvm.w[word] === REMOVED_SPTE_LO);
      stage.runUntilBlocked(1);
      const waits = stage.cpus[1]!.pendingWord === word;
      stage.finish(0);
      stage.finish(1);
      return {
        stage,
        result: { blocked: waits, queued: rcuQueuedPages(kvm).length, left: kvm.get(KVM.pages) },
      };
    });
    expect([blocked, queued, left]).toEqual([true, 1, 0]);
  });
});

describe('a store over an entry that hardware may change', () => {
  /** D is set between the load and the store. Returns how often the host's page was marked dirty. */
  const inherited = (engine: Engine): number =>
    twice(() => {
      const bench = new TdpBench({}, engine);
      bench.map(0, 1, { dirty: false });
      const { kvm } = bench;
      const [leaf] = bench.tdpLeaves();
      let dirty = 0;
      bench.seen.hostPageInherits = (_cpu, _sptep, _lo, _hi, isDirty) => {
        if (isDirty) dirty++;
      };
      const writer: Body = function* (cpu) {
        yield* kvm.writeLock(cpu);
        yield* at(bench, cpu, 0, 1, (iter) => tdpMmuSetSpte(kvm, cpu, iter, 0, 0));
        yield* kvm.writeUnlock(cpu);
      };
      const stage = new Stage(kvm.arena, [writer]);
      const [cpu] = stage.cpus;
      stage.runUntil(0, () => cpu!.pendingWord === leaf!.sptep * 2 && cpu!.pendingOp !== Op.Load64);
      kvm.arena.put(leaf!.sptep * 2, leaf!.lo | kvm.format.dirtyLo);
      stage.finish(0);
      return { stage, result: dirty };
    });

  it('exchanges it, and D is not lost (Q47)', () => {
    expect(inherited(P1_ENGINE)).toBe(1);
  });

  it('loses D if it is a plain store (B-24, tdpPlainWrite)', () => {
    const engine: Engine = {
      ...P1_ENGINE,
      *tdpWriteSpte(_kvm, cpu, sptep, oldLo, oldHi, lo, hi) {
        if (cpu.stepped) yield cpu.at(Op.Store64, sptep * 2);
        cpu.store64(sptep, lo, hi);
        cpu.lo = oldLo;
        cpu.hi = oldHi;
      },
    };
    expect(inherited(engine)).toBe(0);
  });
});

it('a present leaf never gets another frame in place', () => {
  const bench = new TdpBench();
  bench.map(0, 1);
  const { kvm, cpu } = bench;
  expect(() =>
    bench.locked(at(bench, cpu, 0, 1, (iter) => tdpMmuSetSpte(kvm, cpu, iter, iter.lo + 0x1000, iter.hi))),
  ).toThrow(/from frame .* in place/);
});
