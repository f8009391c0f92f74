import { describe, expect, it } from 'vitest';
import { drawMove, movesOfSchedule } from '../../src/actors/swarm.ts';
import { mix, Rng } from '../../src/cpu/random.ts';

const NAMES = ['a', 'b', 'c', 'd'];
const WEIGHTS = { a: 1, b: 2, c: 4, d: 0 };
const of = (seed: number, swarm: number) => movesOfSchedule(new Rng(mix(5, seed, 0)), NAMES, WEIGHTS, swarm);
const seeds = Array.from({ length: 400 }, (_, i) => i + 1);

describe('the moves of a schedule', () => {
  it('are all that have a weight, as given, without swarm testing', () => {
    const moves = of(1, 0);
    expect(moves).toEqual([
      { name: 'a', weight: 1 },
      { name: 'b', weight: 2 },
      { name: 'c', weight: 4 },
    ]);
    expect(seeds.every((seed) => JSON.stringify(of(seed, 0)) === JSON.stringify(moves))).toBe(true);
  });

  it('are some of them, with other weights, or none at all, by the seed of the schedule', () => {
    const drawn = seeds.map((seed) => of(seed, 0.4));
    const absent = drawn.filter((moves) => moves.length === 0).length;
    expect(absent).toBeGreaterThan(0.35 * seeds.length);
    expect(absent).toBeLessThan(0.6 * seeds.length);
    const subsets = new Set(drawn.map((moves) => moves.map(({ name }) => name).join('')));
    expect(subsets).toEqual(new Set(['', 'a', 'b', 'c', 'ab', 'ac', 'bc', 'abc']));
    expect(new Set(drawn.flat().map(({ weight }) => weight))).toEqual(new Set([0.25, 0.5, 1, 2, 4, 8, 16]));
    expect(of(7, 0.4)).toEqual(of(7, 0.4));
  });

  it('are drawn by weight', () => {
    const rng = new Rng(3);
    const moves = of(1, 0);
    const count = { a: 0, b: 0, c: 0 };
    for (let i = 0; i < 7000; i++) count[drawMove(rng, moves) as 'a']++;
    expect(count.a).toBeGreaterThan(850);
    expect(count.a).toBeLessThan(1150);
    expect(count.c).toBeGreaterThan(3700);
    expect(count.c).toBeLessThan(4300);
  });
});
