import { describe, expect, it } from 'vitest';
import type { ActorClass } from '../../src/cpu/cpu.ts';
import { LOCK_MMU, LOCK_SLOTS } from '../../src/locks/probe.ts';
import { DropLatency, mergeDropLatency } from '../../src/measure/drop-latency.ts';
import { LockRecorder, mergeLockStats, type LockRecorderOptions } from '../../src/measure/lock-stats.ts';
import { ValueHistogram } from '../../src/measure/value-histogram.ts';
import { idleCpu } from '../report/sample.ts';

const CLASSES: readonly ActorClass[] = ['l2-vcpu', 'migration', 'l2-vcpu'];

function recorderOf(actor: number, more: Partial<LockRecorderOptions> = {}) {
  const cls = CLASSES[actor]!;
  const recorder = new LockRecorder({ actor, cls, unit: 'steps', classes: CLASSES, ...more });
  const cpu = idleCpu(actor, cls);
  return {
    recorder,
    /** Takes and drops a lock; `wait` 0 is uncontended. */
    use(lock: number, write: boolean, wait: number, hold: number): void {
      recorder.acquired(cpu, lock, write, wait > 0, wait);
      recorder.released(cpu, lock, write, hold);
    },
  };
}

describe('LockRecorder', () => {
  it('keeps writers, readers and slots_lock apart', () => {
    const { recorder, use } = recorderOf(0);
    use(LOCK_MMU, true, 4, 10);
    use(LOCK_MMU, true, 0, 20);
    use(LOCK_MMU, false, 7, 1);
    use(LOCK_SLOTS, true, 0, 99);
    const { rows } = recorder.serialize();
    expect(rows['mmu_lock-W']).toMatchObject({
      acquisitions: 2,
      contentions: 1,
      wait: { count: 1, min: 4, max: 4, total: 4 },
      hold: { count: 2, min: 10, max: 20, total: 30 },
    });
    expect(rows['mmu_lock-R']).toMatchObject({ acquisitions: 1, contentions: 1, hold: { total: 1 } });
    expect(rows['slots_lock']).toMatchObject({
      acquisitions: 1,
      contentions: 0,
      wait: { count: 0 },
      hold: { max: 99 },
    });
  });

  it('says who had the lock before, and only for contended acquisitions', () => {
    const asked: number[] = [];
    let owner = 1;
    const { recorder, use } = recorderOf(0, {
      previousOwner: (lock) => {
        asked.push(lock);
        return owner;
      },
    });
    use(LOCK_MMU, true, 5, 1);
    use(LOCK_MMU, true, 0, 1);
    owner = 2;
    use(LOCK_SLOTS, true, 5, 1);
    owner = 0; // itself: nobody handed it over
    use(LOCK_MMU, true, 5, 1);
    owner = -1;
    use(LOCK_MMU, true, 5, 1);
    const { rows, from } = recorder.serialize();
    expect(asked).toEqual([LOCK_MMU, LOCK_SLOTS, LOCK_MMU, LOCK_MMU]);
    expect(from).toEqual({ 'mmu_lock-W': { migration: 1 }, 'mmu_lock-R': {}, slots_lock: { 'l2-vcpu': 1 } });
    expect(rows['mmu_lock-W']).toMatchObject({ contentions: 3, bounces: 1 });
  });

  it('has no bounces if nobody says who had the lock', () => {
    const { recorder, use } = recorderOf(0);
    use(LOCK_MMU, true, 5, 1);
    expect(recorder.serialize().rows['mmu_lock-W'].bounces).toBeNull();
  });

  it('serializes to what can be posted to another thread', () => {
    const { recorder, use } = recorderOf(0, { previousOwner: () => 1 });
    use(LOCK_MMU, true, 5, 1);
    const data = recorder.serialize();
    expect(structuredClone(data)).toEqual(data);
  });
});

describe('mergeLockStats', () => {
  it('adds up by class, with histograms of the union and the matrix of hand-offs', () => {
    const [a, b, c] = [0, 1, 2].map((actor) =>
      recorderOf(actor, { previousOwner: () => (actor === 1 ? 0 : 1) }),
    );
    for (let i = 1; i <= 50; i++) {
      a!.use(LOCK_MMU, true, i, i);
      b!.use(LOCK_MMU, true, 0, 1000 * i);
      c!.use(LOCK_MMU, true, 100 * i, 7);
    }
    b!.use(LOCK_MMU, true, 3, 1);
    const { unit, locks } = mergeLockStats([a, b, c].map((entry) => entry!.recorder.serialize()));
    const [write, read, slots] = locks;
    expect(unit).toBe('steps');
    expect(locks.map(({ name }) => name)).toEqual(['mmu_lock-W', 'mmu_lock-R', 'slots_lock']);
    expect(write!.byClass.map(({ cls }) => cls)).toEqual(['migration', 'l2-vcpu']);
    expect(write!.total).toMatchObject({ acquisitions: 151, contentions: 101, bounces: 101 });
    expect(write!.handOffs).toEqual([
      { from: 'l2-vcpu', to: 'migration', count: 1 },
      { from: 'migration', to: 'l2-vcpu', count: 100 },
    ]);
    const vcpus = write!.byClass[1]!.figures;
    const union = new ValueHistogram();
    for (let i = 1; i <= 50; i++) for (const wait of [i, 100 * i]) union.record(wait);
    expect(ValueHistogram.from(vcpus.wait).buckets()).toEqual(union.buckets());
    expect(vcpus.wait).toMatchObject({ count: 100, min: 1, max: 5000, total: union.total });
    expect(read!.byClass).toEqual([]);
    expect(slots!.total).toMatchObject({ acquisitions: 0, wait: { count: 0, encoded: null } });
  });

  it('does not know bounces if one actor does not', () => {
    const list = [recorderOf(0), recorderOf(1, { previousOwner: () => 0 })];
    for (const { use } of list) use(LOCK_MMU, true, 5, 1);
    expect(
      mergeLockStats(list.map(({ recorder }) => recorder.serialize())).locks[0]!.total.bounces,
    ).toBeNull();
  });

  it('refuses to mix units', () => {
    const list = [recorderOf(0), recorderOf(1, { unit: 'ns' })].map(({ recorder }) => recorder.serialize());
    expect(() => mergeLockStats(list)).toThrow('actor 1 measured in ns, the others in steps');
  });
});

describe('DropLatency', () => {
  it('merges to the latency of all holders', () => {
    const [a, b] = [new DropLatency('ns'), new DropLatency('ns')];
    a.record(100);
    b.record(900);
    expect(mergeDropLatency([a.serialize(), b.serialize()])).toMatchObject({
      unit: 'ns',
      latency: { count: 2, min: 100, max: 900, total: 1000 },
    });
    expect(() => mergeDropLatency([a.serialize(), new DropLatency('steps').serialize()])).toThrow(
      'different units',
    );
  });
});
