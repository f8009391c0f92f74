import { describe, expect, it } from 'vitest';
import { mix } from '../../src/cpu/random.ts';
import { DistinctKeys } from '../../src/explore/distinct.ts';

/** Key number n. */
const add = (keys: DistinctKeys, n: number): boolean => keys.add(mix(n, 1), mix(n, 2));

describe('distinct keys', () => {
  it('are counted exactly up to the capacity, with those seen once', () => {
    const keys = new DistinctKeys(10);
    expect(keys.unseen).toBe(1);
    for (let n = 0; n < 300; n++) expect(add(keys, n)).toBe(true);
    for (let n = 0; n < 100; n++) expect(add(keys, n)).toBe(false);
    for (let n = 0; n < 50; n++) add(keys, n);
    expect(keys).toMatchObject({ distinct: 300, singletons: 200, total: 450, exact: true });
    expect(keys.unseen).toBeCloseTo(200 / 450);
  });

  it('are estimated beyond it, in the same memory', () => {
    const keys = new DistinctKeys(13);
    for (let n = 0; n < 200_000; n++) add(keys, n);
    for (let n = 0; n < 100_000; n++) add(keys, n);
    expect(keys.exact).toBe(false);
    // 4096 keys are kept: a standard error of 1.6 % or a little more.
    expect(Math.abs(keys.distinct / 200_000 - 1)).toBeLessThan(0.08);
    expect(Math.abs(keys.singletons / 100_000 - 1)).toBeLessThan(0.1);
  });

  it("Good and Turing's estimate is the chance that the next one is new", () => {
    // Uniform over 1000: after 1000 draws a part of (1 - 1/1000)^1000, about 0.37, is unseen.
    const keys = new DistinctKeys(12);
    for (let i = 0; i < 1000; i++) add(keys, (mix(7, i) >>> 0) % 1000);
    expect(keys.unseen).toBeGreaterThan(0.3);
    expect(keys.unseen).toBeLessThan(0.44);
    for (let i = 1000; i < 9000; i++) add(keys, (mix(7, i) >>> 0) % 1000);
    expect(keys.unseen).toBeLessThan(0.01);
  });

  it('tells keys apart that differ in one half only', () => {
    const keys = new DistinctKeys(8);
    expect([keys.add(5, 5), keys.add(5, 6), keys.add(6, 5), keys.add(5, 5)]).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(keys.add(0, 0)).toBe(true);
  });
});
