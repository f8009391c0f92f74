// H-G: after logging was off, the second log-on splits a 1 GiB page once and maps nothing below it.
import { describe, expect, it } from 'vitest';
import { disableDirtyLogging, enableDirtyLogging } from '../../src/mmu/dirty-log.ts';
import { Bench, identity, leaves, machineOf } from '../support/machines.ts';

/** A level-3 page of 16 pages through a whole cycle; `backing` is the host's page size. */
function cycle(level: 2 | 3, backing: string): { bench: Bench; splits: number; reused: number } {
  const bench = new Bench(machineOf(identity(level), { memory: '64K', backing }));
  const { kvm, cpu, slot } = bench;
  bench.run(enableDirtyLogging(kvm, cpu, slot));
  bench.run(disableDirtyLogging(kvm, cpu, slot));
  for (let page = 0; page < slot.npages; page += level === 3 ? 16 : 4)
    bench.touch(slot.baseGfn + page, 'read');
  const [splits, reused] = [bench.counter('splitOk'), bench.counter('spReused')];
  bench.run(enableDirtyLogging(kvm, cpu, slot));
  return { bench, splits: bench.counter('splitOk') - splits, reused: bench.counter('spReused') - reused };
}

describe('logging on, off and on again', () => {
  it('splits a 1 GiB page once, into the table that was left over', () => {
    const { bench, splits, reused } = cycle(3, '1g');
    expect([splits, reused]).toEqual([1, 1]);
    expect([1, 2, 3].flatMap((level) => leaves(bench.kvm, level))).toEqual([]);
  });

  it('turns eager splitting into a fault for each group of pages', () => {
    const { bench } = cycle(3, '1g');
    const faults = bench.counter('faults');
    for (let page = 0; page < bench.slot.npages; page++) bench.touch(bench.slot.baseGfn + page, 'write');
    expect(bench.counter('faults') - faults).toBe(bench.slot.npages);
  });

  it('maps everything again where the pages are of 2 MiB', () => {
    const { bench, splits, reused } = cycle(2, '2m');
    expect([splits, reused]).toEqual([4, 4]);
    expect(leaves(bench.kvm, 1)).toHaveLength(bench.slot.npages);
  });
});
