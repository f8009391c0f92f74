import { describe, expect, it } from 'vitest';
import { cutShards } from '../../src/actors/split-worker.ts';
import { Observer } from '../../src/mmu/observer.ts';
import {
  Bench,
  controlledOf,
  identity,
  leaves,
  machineOf,
  runTwice,
  type Given,
} from '../support/machines.ts';

function cuts(shards: number, given: Given): number[] {
  const { kvm, slot } = new Bench(machineOf(identity(1, []), given));
  return cutShards(kvm, slot, shards).map((gfn) => gfn - slot.baseGfn);
}

describe('cutting a slot into shards', () => {
  it.each<[number, Given, readonly number[]]>([
    [1, { backing: '2m' }, [0, 16]],
    [2, { backing: '2m' }, [0, 8, 16]],
    [3, { backing: '2m' }, [0, 4, 8, 16]],
    [4, { backing: '2m' }, [0, 4, 8, 12, 16]],
    [1, { backing: '1g' }, [0, 16]],
    [2, { backing: '1g', memory: '128K' }, [0, 16, 32]],
    [2, { backing: '4k', memory: '20K' }, [0, 2, 5]],
    [2, { backing: '2m', memory: '24K' }, [0, 4, 6]],
  ])('%i with %j cuts at boundaries of the largest page: %j', (shards, given, expected) => {
    expect(cuts(shards, given)).toEqual(expected);
  });

  it('needs a huge page for each', () => {
    expect(() => cuts(5, { backing: '2m' })).toThrow(
      new RangeError('5 splitters need 5 huge pages to share, but the slot has 4'),
    );
  });
});

describe('several splitters', () => {
  it.each([
    [2, { backing: '2m' }],
    [4, { backing: '2m' }],
    [2, { backing: '1g', memory: '128K' }],
  ])('%i of them (%j) split every huge page exactly once, and all go home', (splitters, given) => {
    const splits: string[] = [];
    const owners = new Set<string>();
    let bounds: readonly number[] = [];
    const levels = given.backing === '1g' ? 3 : 2;
    // Without contention: with it, splitters keep each other from splitting (below).
    const machine = machineOf(identity(levels), { ...given, splitters, vcpus: 1, ops: 20, preempt: 'none' });
    const runtime = controlledOf(machine, {
      judge: {
        observer: (_kvm, report) =>
          Object.assign(new Observer(), {
            broken: report,
            splitAttempt: (
              cpu: { name: string },
              gfn: number,
              level: number,
              _lo: number,
              _hi: number,
              errno: number,
            ) => {
              if (errno !== 0) return;
              splits.push(`${gfn}/${level}`);
              const shard = bounds.findLastIndex((bound) => bound <= gfn);
              owners.add(`${cpu.name} in shard ${shard}`);
            },
          }),
        begin: () => void (splits.length = 0),
        atEnd: () => {},
      },
    });
    bounds = cutShards(runtime.kvm, runtime.kvm.slots[1]!, splitters);
    const pages = machine.config.slots[1]!.npages;
    const expected = pages / 4 + (levels === 3 ? pages / 16 : 0);
    for (let schedule = 0; schedule < 20; schedule++) {
      expect(runTwice(runtime, schedule).violations).toEqual([]);
      expect([splits.length, new Set(splits).size]).toEqual([expected, expected]);
      expect([leaves(runtime.kvm, 3).length, leaves(runtime.kvm, 2).length]).toEqual([0, 0]);
    }
    expect([...owners].sort()).toEqual(
      Array.from({ length: splitters }, (_, i) => `splitter ${i} in shard ${i}`),
    );
  });

  it('that see contention can keep each other from ever splitting: each gives the lock up for the next one (H-F)', () => {
    const livelocks = (preempt: string): number => {
      const machine = machineOf(identity(2), { backing: '2m', splitters: 4, vcpus: 1, ops: 20, preempt });
      const runtime = controlledOf(machine, { livelockSteps: 5000 });
      let found = 0;
      for (let schedule = 0; schedule < 20; schedule++) {
        if (runTwice(runtime, schedule).violations.some(({ id }) => id === 'livelock')) found++;
      }
      return found;
    };
    expect(livelocks('full')).toBeGreaterThan(0);
    expect(livelocks('voluntary')).toBe(0);
  });
});
