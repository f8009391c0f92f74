// kernel-facts 1.4, D25, Q51: tables of the TDP MMU outlive their readers.
import { describe, expect, it } from 'vitest';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { TdpIter } from '../../../src/mmu/tdp/iter.ts';
import {
  rcuBarrier,
  rcuDrain,
  rcuFree,
  rcuQueuedPages,
  rcuReadLock,
  rcuReadUnlock,
} from '../../../src/mmu/tdp/rcu.ts';
import { tdpMmuSetSpteAtomic } from '../../../src/mmu/tdp/set-spte.ts';
import { Stage, twice, type Body } from '../../support/programs.ts';
import { TdpBench } from '../../support/tdp-machine.ts';

/** Zaps the table of the first 2M under the read lock. */
const zapper = (bench: TdpBench): Body =>
  function* (cpu) {
    const { kvm } = bench;
    yield* kvm.readLock(cpu);
    yield* rcuReadLock(kvm, cpu);
    const iter = new TdpIter(kvm, bench.root, 2, bench.gfn(0));
    yield* iter.start(cpu);
    yield* iter.next(cpu);
    yield* tdpMmuSetSpteAtomic(kvm, cpu, iter, 0, 0);
    yield* rcuReadUnlock(kvm, cpu);
    yield* kvm.readUnlock(cpu);
    yield* rcuDrain(kvm, cpu);
  };

/** Walks the first 2M without mmu_lock, as the fast path does. */
const reader = (bench: TdpBench): Body =>
  function* (cpu) {
    const { kvm } = bench;
    yield* rcuReadLock(kvm, cpu);
    const iter = new TdpIter(kvm, bench.root, 1, bench.gfn(0));
    for (yield* iter.start(cpu); iter.valid && iter.gfn < bench.gfn(4);) yield* iter.next(cpu);
    yield* rcuReadUnlock(kvm, cpu);
  };

const drainer =
  (bench: TdpBench): Body =>
  (cpu) =>
    rcuDrain(bench.kvm, cpu);

/** A reader stands in the table while it is zapped; then the reader goes on. */
function scene(engine: Engine): { whileRead: number; after: number; freed: number } {
  return twice(() => {
    const bench = new TdpBench({}, engine);
    bench.map(0, 1);
    const { kvm } = bench;
    const [leaf] = bench.tdpLeaves();
    let freed = 0;
    bench.seen.rcuFreed = () => freed++;
    const stage = new Stage(kvm.arena, [zapper(bench), reader(bench), drainer(bench)]);
    stage.runUntil(1, () => stage.cpus[1]!.pendingWord === leaf!.sptep * 2);
    stage.finish(0);
    const whileRead = kvm.get(KVM.rcuPending);
    stage.finish(1);
    stage.finish(2);
    return { stage, result: { whileRead, after: kvm.get(KVM.rcuPending), freed } };
  });
}

describe('a grace period', () => {
  it('lasts as long as a reader that could have seen the table', () => {
    expect(scene(P1_ENGINE)).toEqual({ whileRead: 1, after: 0, freed: 1 });
  });

  it('that is not waited for is noticed when the reader reads on (D25)', () => {
    const atOnce: Engine = {
      ...P1_ENGINE,
      *callRcu(kvm, cpu, sp) {
        rcuFree(kvm, cpu, sp);
      },
    };
    expect(() => scene(atOnce)).toThrow(/inside its RCU read section, and the table was freed/);
  });

  it('does not wait for a reader that came after the table was queued', () => {
    const bench = new TdpBench();
    bench.map(0, 1);
    const stage = new Stage(bench.kvm.arena, [zapper(bench), reader(bench), drainer(bench)]);
    const { kvm } = bench;
    stage.runUntil(0, () => kvm.get(KVM.rcuPending) === 1 && kvm.w[kvm.base + KVM.tdpPagesLock] === 0);
    stage.runUntil(1, () => kvm.w[kvm.layout.rcu + 1] !== 0);
    // The zapper is still inside its own read section.
    stage.finish(2);
    expect(kvm.get(KVM.rcuPending)).toBe(1);
    stage.finish(0);
    expect([kvm.get(KVM.rcuPending), stage.done(1)]).toEqual([0, false]);
  });

  it('is waited for by a barrier', () => {
    const bench = new TdpBench();
    bench.map(0, 1);
    const { kvm } = bench;
    const [leaf] = bench.tdpLeaves();
    const stage = new Stage(kvm.arena, [zapper(bench), reader(bench), (cpu) => rcuBarrier(kvm, cpu)]);
    stage.runUntil(1, () => stage.cpus[1]!.pendingWord === leaf!.sptep * 2);
    stage.finish(0);
    stage.runUntilBlocked(2);
    stage.finish(1);
    stage.finish(2);
    expect(rcuQueuedPages(kvm)).toEqual([]);
  });
});

it('gives table and header back to their pools', () => {
  const bench = new TdpBench();
  const { kvm } = bench;
  const before = [kvm.tablePool.live, kvm.headerPool.live];
  bench.map(0, 1);
  expect([kvm.tablePool.live, kvm.headerPool.live]).toEqual(before.map((live) => live + 2));
  new Stage(kvm.arena, [zapper(bench)]).finish(0);
  expect([kvm.tablePool.live, kvm.headerPool.live]).toEqual(before.map((live) => live + 1));
});
