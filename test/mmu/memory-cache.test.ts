import { describe, expect, it } from 'vitest';
import { ArenaError } from '../../src/arena/errors.ts';
import {
  cacheCount,
  cachePop,
  cacheTopup,
  splitCaches,
  splitDescCapacity,
  splitDescMin,
  vcpuCaches,
} from '../../src/mmu/memory-cache.ts';
import { Bench, identity, machineOf } from '../support/machines.ts';

describe('a memory cache', () => {
  it('is filled to its capacity when it is below the minimum, and left alone otherwise', () => {
    const { kvm } = new Bench(machineOf(identity(2, [])));
    const cache = splitCaches(kvm, 0).header;
    const live = kvm.headerPool.live;
    expect(cacheTopup(kvm, cache, kvm.headerPool, 1, 40)).toBe(true);
    expect([cacheCount(kvm, cache), kvm.headerPool.live - live]).toEqual([40, 40]);
    const taken = new Set(Array.from({ length: 39 }, () => cachePop(kvm, cache, 'header')));
    expect(taken.size).toBe(39);
    cacheTopup(kvm, cache, kvm.headerPool, 1, 40);
    expect(cacheCount(kvm, cache)).toBe(1);
    cachePop(kvm, cache, 'header');
    cacheTopup(kvm, cache, kvm.headerPool, 1, 40);
    expect(cacheCount(kvm, cache)).toBe(40);
  });

  it('can be made to fail, but only when it is low', () => {
    const { kvm } = new Bench(machineOf(identity(2, [])));
    const cache = splitCaches(kvm, 0).header;
    expect(cacheTopup(kvm, cache, kvm.headerPool, 1, 40, 0)).toBe(false);
    expect(cacheCount(kvm, cache)).toBe(0);
    cacheTopup(kvm, cache, kvm.headerPool, 1, 40);
    expect(cacheTopup(kvm, cache, kvm.headerPool, 1, 40, 0)).toBe(true);
  });

  it('is content with its minimum when the pool has no more, and says which pool is too small below it', () => {
    const { kvm } = new Bench(machineOf(identity(2, [])));
    const cache = splitCaches(kvm, 0).table;
    while (kvm.tablePool.live < kvm.tablePool.capacity - 3) kvm.tablePool.alloc();
    expect(cacheTopup(kvm, cache, kvm.tablePool, 3, 40)).toBe(true);
    expect(cacheCount(kvm, cache)).toBe(3);
    cachePop(kvm, cache, 'table');
    const again = (): boolean => cacheTopup(kvm, cache, kvm.tablePool, 3, 40);
    expect(again).toThrow(ArenaError);
    expect(again).toThrow(`out of page tables: all ${kvm.tablePool.capacity} of the arena are in use`);
  });

  it('must not be empty when something is taken (C11)', () => {
    const { kvm } = new Bench(machineOf(identity(2, [])));
    expect(() => cachePop(kvm, splitCaches(kvm, 0).desc, 'split_desc')).toThrow(
      'the split_desc cache is empty where it must not be',
    );
  });

  it('has its own words: no two caches of a machine overlap', () => {
    const { kvm } = new Bench(machineOf(identity(2, []), { splitters: 2, backing: '2m', vcpus: 3 }));
    const { objects, splitDesc } = kvm.layout.dims.caches;
    const spans = [
      ...[0, 1].flatMap((shard) => {
        const { desc, header, table } = splitCaches(kvm, shard);
        return [
          [desc, splitDesc],
          [header, objects],
          [table, objects],
        ] as const;
      }),
      ...[0, 1, 2].flatMap((vcpu) => {
        const { desc, header, table, shadowInfo } = vcpuCaches(kvm, vcpu);
        return [desc, header, table, shadowInfo].map((at) => [at, objects] as const);
      }),
    ].sort(([a], [b]) => a - b);
    for (let i = 1; i < spans.length; i++) {
      const [at, capacity] = spans[i - 1]!;
      expect(at + capacity).toBeLessThan(spans[i]![0]);
    }
  });

  it('for descriptors of the split holds 513, and 40 to spare, on x86 (2.3)', () => {
    expect([splitDescMin(512), splitDescCapacity(512), splitDescMin(4)]).toEqual([513, 553, 5]);
  });
});
