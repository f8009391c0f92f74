import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { erfc } from '../../src/measure/erfc.ts';
import {
  geometricMean,
  holm,
  kaplanMeier,
  logRank,
  meanAndDeviation,
  medianTime,
  restrictedMean,
  type Observation,
} from '../../src/measure/survival.ts';
import { holds } from '../support/property.ts';

const at = (times: readonly number[], event: boolean): Observation[] =>
  times.map((time) => ({ time, event }));

/** Weeks of remission of leukemia patients, Freireich et al., Blood 21, 1963: the example of most textbooks. */
const TREATED = [
  ...at([6, 6, 6, 7, 10, 13, 16, 22, 23], true),
  ...at([6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35], false),
];
const PLACEBO = at([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], true);

describe('erfc', () => {
  it.each([
    [0, 1],
    [0.5, 0.4795001221869535],
    [1, 0.15729920705028513],
    [1.999999, 0.004677755],
    [2, 0.004677734981047266],
    [3, 2.209049699858544e-5],
    [5, 1.5374597944280347e-12],
    [-1, 1.8427007929497148],
  ])('of %d is %d', (x, value) => {
    expect(Math.abs(erfc(x) / value - 1)).toBeLessThan(x === 1.999999 ? 1e-6 : 1e-12);
  });

  it('joins its two halves without a step', () => {
    const [below, above] = [erfc(2 - 1e-12), erfc(2)];
    expect(below).toBeGreaterThan(above);
    expect(below / above - 1).toBeLessThan(1e-10);
  });
});

describe('the Kaplan-Meier curve', () => {
  it('is that of the textbooks for the treated patients', () => {
    const curve = kaplanMeier(TREATED);
    expect(curve.map(({ time, atRisk, survival }) => [time, atRisk, Number(survival.toFixed(4))])).toEqual([
      [6, 21, 0.8571],
      [7, 17, 0.8067],
      [10, 15, 0.7529],
      [13, 12, 0.6902],
      [16, 11, 0.6275],
      [22, 7, 0.5378],
      [23, 6, 0.4482],
    ]);
    expect(medianTime(curve)).toBe(23);
    expect(medianTime(kaplanMeier(PLACEBO))).toBe(8);
  });

  it('has no median where more than half never had the event', () => {
    expect(medianTime(kaplanMeier([...at([3], true), ...at([10, 10], false)]))).toBeUndefined();
    expect(medianTime(kaplanMeier([...at([3], true), ...at([10], false)]))).toBe(3);
  });

  it('has the restricted mean of the textbooks up to week 35, and 8.667 for the placebo', () => {
    expect(restrictedMean(kaplanMeier(TREATED), 35)).toBeCloseTo(23.287, 3);
    expect(restrictedMean(kaplanMeier(PLACEBO), 35)).toBeCloseTo(182 / 21, 9);
  });

  const times = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 30 });

  it('without censoring is the share that is left, and its restricted mean that of the cut times', () => {
    const any = fc.property(times, fc.integer({ min: 1, max: 60 }), (list, limit) => {
      const curve = kaplanMeier(at(list, true));
      for (const { time, survival } of curve)
        expect(survival).toBeCloseTo(list.filter((one) => one > time).length / list.length, 9);
      const cut = list.reduce((sum, time) => sum + Math.min(time, limit), 0) / list.length;
      expect(restrictedMean(curve, limit)).toBeCloseTo(cut, 9);
    });
    holds(any);
  });
});

describe('the log-rank test', () => {
  it('gives what the textbooks give for the leukemia patients', () => {
    const { observed, expected, chiSquared, p } = logRank({ a: TREATED, b: PLACEBO });
    expect(observed).toBe(9);
    expect(expected).toBeCloseTo(19.2505, 4);
    expect(chiSquared).toBeCloseTo(16.793, 3);
    expect(p).toBeCloseTo(4.169e-5, 7);
  });

  it('sees nothing where there is nothing to see', () => {
    expect(logRank({ a: TREATED, b: TREATED })).toMatchObject({ chiSquared: 0, p: 1 });
    expect(logRank({ a: at([5, 5], false), b: at([5, 5], false) }).p).toBe(1);
    expect(logRank().p).toBe(1);
  });

  it('adds up strata: the same difference twice says more than once', () => {
    const pair = { a: at([1, 2, 3, 4, 5], true), b: at([3, 5, 6, 8, 9], true) };
    const [once, twice] = [logRank(pair), logRank(pair, pair)];
    expect(twice.chiSquared).toBeCloseTo(2 * once.chiSquared, 9);
    expect(twice.p).toBeLessThan(once.p);
  });

  const sample = fc.array(fc.record({ time: fc.integer({ min: 1, max: 40 }), event: fc.boolean() }), {
    maxLength: 25,
  });

  it('is the same from both sides, and for any clock', () => {
    const any = fc.property(sample, sample, (a, b) => {
      const result = logRank({ a, b });
      expect(result.p).toBeGreaterThanOrEqual(0);
      expect(result.p).toBeLessThanOrEqual(1);
      expect(logRank({ a: b, b: a }).chiSquared).toBeCloseTo(result.chiSquared, 9);
      const squared = (list: readonly Observation[]): Observation[] =>
        list.map(({ time, event }) => ({ time: time * time, event }));
      expect(logRank({ a: squared(a), b: squared(b) }).chiSquared).toBeCloseTo(result.chiSquared, 9);
    });
    holds(any);
  });

  it('is wrong about once in twenty where there is no difference', () => {
    let state = 12345;
    const draw = (): number => {
      state = (Math.imul(state, 1103515245) + 12345) | 0;
      return 1 + Math.floor(-30 * Math.log(1 - (state >>> 1) / 2 ** 31));
    };
    const twenty = (): Observation[] =>
      Array.from({ length: 20 }, () => draw()).map((time) => ({
        time: Math.min(time, 60),
        event: time <= 60,
      }));
    let wrong = 0;
    for (let i = 0; i < 1000; i++) if (logRank({ a: twenty(), b: twenty() }).p < 0.05) wrong++;
    expect(wrong).toBeGreaterThan(25);
    expect(wrong).toBeLessThan(80);
  });
});

describe("Holm's correction", () => {
  it('compares the smallest with the level over all, the next with the level over the rest', () => {
    expect(holm([0.01, 0.04, 0.03, 0.005], 0.05)).toEqual([true, false, false, true]);
    expect(holm([0.02, 0.02], 0.05)).toEqual([true, true]);
    expect(holm([0.03, 0.03], 0.05)).toEqual([false, false]);
    expect(holm([], 0.05)).toEqual([]);
  });
});

describe('means', () => {
  it('are the geometric one, and the arithmetic one with its deviation', () => {
    expect(geometricMean([1, 10, 100])).toBeCloseTo(10, 9);
    expect(meanAndDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({ mean: 5, sd: Math.sqrt(32 / 7) });
    expect(meanAndDeviation([3])).toEqual({ mean: 3, sd: 0 });
  });
});
