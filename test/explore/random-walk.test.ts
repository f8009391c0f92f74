import { describe, expect, it } from 'vitest';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';

/** The picks of one schedule while `counts[i]` actors can go on at decision i; actor k of them is 10 + 3k. */
function picks(walk: RandomWalk, schedule: number, counts: readonly number[]): number[] {
  const enabled = Int32Array.from({ length: 8 }, (_, k) => 10 + 3 * k);
  walk.begin([], schedule);
  return counts.map((count) => walk.pick(enabled, count));
}
const many = (n: number, count: number): number[] => Array.from({ length: n }, () => count);

describe('the random walk', () => {
  // 99.9 % quantiles of chi-square with count - 1 degrees of freedom.
  it.each([
    [2, 10.83],
    [3, 13.82],
    [5, 18.47],
    [8, 24.32],
  ])(
    'picks each of %i actors equally often, within a schedule and in the first decision of many',
    (count, limit) => {
      const walk = new RandomWalk(1234);
      const samples = [
        picks(walk, 0, many(12_000, count)),
        Array.from({ length: 12_000 }, (_, schedule) => picks(walk, schedule, [count])[0]!),
      ];
      for (const sample of samples) {
        const expected = sample.length / count;
        let chi = 0;
        for (let k = 0; k < count; k++) {
          const seen = sample.filter((actor) => actor === 10 + 3 * k).length;
          chi += (seen - expected) ** 2 / expected;
        }
        expect(chi).toBeLessThan(limit);
        expect(sample.every((actor) => (actor - 10) % 3 === 0 && (actor - 10) / 3 < count)).toBe(true);
      }
    },
  );

  it('does not favour or avoid the actor that moved last', () => {
    const sample = picks(new RandomWalk(5), 0, many(20_000, 2));
    const same = sample.filter((actor, i) => i > 0 && actor === sample[i - 1]).length;
    expect(Math.abs(same / 20_000 - 0.5)).toBeLessThan(0.012);
  });

  it('depends on master seed and schedule and on nothing else: neither on earlier schedules nor on the object', () => {
    const counts = Array.from({ length: 40 }, (_, i) => 2 + (i % 6));
    const walk = new RandomWalk(77);
    const first = picks(walk, 3, counts);
    picks(walk, 4, many(17, 3));
    expect(picks(walk, 3, counts)).toEqual(first);
    expect(picks(new RandomWalk(77), 3, counts)).toEqual(first);
    expect(picks(walk, 4, counts)).not.toEqual(first);
    expect(picks(new RandomWalk(78), 3, counts)).not.toEqual(first);
  });

  it('makes the choices that tokens of this version stand for', () => {
    expect(picks(new RandomWalk(1), 0, many(12, 4)).map((actor) => (actor - 10) / 3)).toEqual([
      3, 0, 3, 2, 3, 2, 0, 1, 1, 3, 1, 2,
    ]);
  });
});
