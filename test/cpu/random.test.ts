import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arena } from '../../src/arena/arena.ts';
import { computeLayout } from '../../src/arena/layout.ts';
import { PlainCpu, RunLog } from '../../src/cpu/plain-cpu.ts';
import { GENERATOR, masterSeed, mix, Rng, Stream } from '../../src/cpu/random.ts';
import { seedActor } from '../../src/scenario/start.ts';
import { FEW_WORDS } from '../support/programs.ts';
import { holds } from '../support/property.ts';

/** A change here changes every schedule of every seed: tokens of earlier versions then need a new format version. */
const MASTER = [994_027_583, 1_157_273_989, -656_160_610];
const MIXED = [1_709_378_865, 695_507_510, -1_593_141_870, -343_070_711];
const DRAWN = [0, 0, 6, 0, 5, 1, 1, 1];

const draws = (rng: Rng, n: number, bound: number): number[] =>
  Array.from({ length: n }, () => rng.below(bound));

/** Pearson's statistic of `samples` against the uniform distribution over 0..bound-1. */
function chiSquare(samples: readonly number[], bound: number): number {
  const counts = Array.from({ length: bound }, () => 0);
  for (const sample of samples) counts[sample]!++;
  const expected = samples.length / bound;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

describe('the generator', () => {
  it('is the one whose name tokens and reports carry, value by value', () => {
    expect(GENERATOR).toBe('seedrandom-arc4/xorshift32');
    expect([masterSeed(''), masterSeed('1'), masterSeed('splitstorm')]).toEqual(MASTER);
    expect([mix(0, 0), mix(1, 2, 3, 4), mix(-1, 7), mix(0x7fffffff, 1, 2)]).toEqual(MIXED);
    const rng = new Rng(1);
    expect([rng.next(), rng.next(), rng.next(), rng.next()]).toEqual([
      270_369, 67_634_689, 2_647_435_461, 307_599_695,
    ]);
    expect(draws(new Rng(1), 8, 10)).toEqual(DRAWN);
  });

  it('draws the upper half of the product of state and bound, whatever the bound', () => {
    holds(
      fc.property(
        fc.integer(),
        fc.oneof(fc.integer({ min: 1, max: 2 ** 21 }), fc.integer({ min: 32_766, max: 32_769 })),
        (seed, bound) => {
          const state = BigInt(new Rng(seed).next());
          expect(new Rng(seed).below(bound)).toBe(Number((state * BigInt(bound)) >> 32n));
        },
      ),
    );
  });

  it('takes the seed as the published vector of seedrandom does', () => {
    expect((masterSeed('hello.') >>> 0) / 2 ** 32).toBeCloseTo(0.9282578795792454, 9);
  });

  it('never draws outside of 0..n-1', () => {
    holds(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 2 ** 21 }), (state, bound) => {
        for (const value of draws(new Rng(state), 20, bound)) {
          expect(Number.isInteger(value) && value >= 0 && value < bound).toBe(true);
        }
      }),
    );
  });

  // 99.9 % quantiles of chi-square with bound - 1 degrees of freedom.
  it.each([
    [2, 10.83],
    [3, 13.82],
    [7, 22.46],
    [16, 37.7],
    [100, 148.2],
  ])('draws 0..%i - 1 about equally often', (bound, limit) => {
    for (const master of [1, 2, 3]) {
      expect(chiSquare(draws(new Rng(mix(master, 0)), 20_000, bound), bound)).toBeLessThan(limit);
    }
  });

  it('has no favourite first draw among the streams of neighbouring schedules', () => {
    for (const stream of Object.values(Stream)) {
      const first = Array.from({ length: 20_000 }, (_, schedule) =>
        new Rng(mix(5, schedule, stream)).below(10),
      );
      expect(chiSquare(first, 10)).toBeLessThan(27.88);
    }
  });

  it('says true with the probability asked for', () => {
    const rng = new Rng(99);
    const share = (p: number): number =>
      Array.from({ length: 20_000 }, () => rng.chance(p)).filter(Boolean).length / 20_000;
    expect([share(0), share(1)]).toEqual([0, 1]);
    expect(Math.abs(share(0.05) - 0.05)).toBeLessThan(0.006);
    expect(Math.abs(share(0.5) - 0.5)).toBeLessThan(0.013);
  });

  it('works from every state, 0 included', () => {
    expect(new Rng(0).next()).not.toBe(0);
    const rng = new Rng(3);
    rng.seed(0);
    expect(rng.next()).toBe(new Rng(0).next());
  });
});

describe('seeds and streams', () => {
  it('tells seeds apart that are equal as numbers', () => {
    expect(new Set(['5', '05', '5.0', ' 5', '5 '].map(masterSeed)).size).toBe(5);
  });

  it('mixes every index into the state', () => {
    const states = new Set<number>();
    for (let a = 0; a < 20; a++)
      for (let b = 0; b < 20; b++) for (let c = 0; c < 20; c++) states.add(mix(42, a, b, c));
    expect(states.size).toBe(8000);
    expect(states.has(0)).toBe(false);
  });

  it('changes about half of the state when one bit of the master changes', () => {
    const bits = Array.from({ length: 32 }, (_, bit) => {
      const changed = (mix(123, 4, 5) ^ mix(123 ^ (1 << bit), 4, 5)) >>> 0;
      return changed.toString(2).replaceAll('0', '').length;
    });
    const mean = bits.reduce((sum, n) => sum + n, 0) / 32;
    expect(mean).toBeGreaterThan(13);
    expect(mean).toBeLessThan(19);
    expect(Math.min(...bits)).toBeGreaterThan(4);
  });

  it('draws from one stream of an actor without shifting another', () => {
    const actor = (index: number): PlainCpu => {
      const cpu = new PlainCpu(Arena.tracked(computeLayout(FEW_WORDS)), new RunLog(), {
        actor: index,
        name: '',
        cls: 'other',
      });
      seedActor(cpu, 7, 3);
      return cpu;
    };
    const [still, busy, other] = [actor(0), actor(0), actor(1)];
    for (let i = 0; i < 100; i++) {
      busy.workload.next();
      other.choices.next();
    }
    const choices = Array.from({ length: 10 }, () => still.choose(1000));
    expect(Array.from({ length: 10 }, () => busy.choose(1000))).toEqual(choices);
    expect(Array.from({ length: 10 }, () => actor(1).choose(1000))).not.toEqual(choices);
  });

  it('draws anew in each move, so that leaving one out changes nothing about the others', () => {
    const drawnIn = (kept: readonly number[] | undefined, draws: number): [number, number, number][] => {
      const cpu = new PlainCpu(Arena.tracked(computeLayout(FEW_WORDS)), new RunLog(), {
        actor: 2,
        name: '',
        cls: 'other',
      });
      cpu.kept = kept;
      seedActor(cpu, 7, 3);
      const drawn: [number, number, number][] = [];
      while (cpu.nextMove(20)) {
        drawn.push([cpu.move, cpu.workload.below(1e6), cpu.choose(1e6)]);
        for (let i = 0; i < draws; i++) cpu.workload.next();
      }
      return drawn;
    };
    const all = drawnIn(undefined, 0);
    expect(all.map(([move]) => move)).toEqual(Array.from({ length: 20 }, (_, move) => move));
    expect(new Set(all.map(([, drawn]) => drawn)).size).toBe(20);
    expect(drawnIn([1, 5, 19, 20], 3)).toEqual([all[1], all[5], all[19]]);
    expect(drawnIn([], 0)).toEqual([]);
  });

  it('costs no randomness to ask for the impossible or to choose among one', () => {
    const [a, b] = [0, 1].map(
      () =>
        new PlainCpu(Arena.tracked(computeLayout(FEW_WORDS)), new RunLog(), {
          actor: 0,
          name: '',
          cls: 'other',
        }),
    );
    for (let i = 0; i < 10; i++) {
      expect(a!.chance(0)).toBe(false);
      expect(a!.choose(1)).toBe(0);
    }
    expect(a!.choices.next()).toBe(b!.choices.next());
  });
});
