import { describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import { EMPTY_HISTOGRAM, mergeHistograms, ValueHistogram } from '../../src/measure/value-histogram.ts';

function histogramOf(values: readonly number[]): ValueHistogram {
  const histogram = new ValueHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

describe('ValueHistogram', () => {
  it('keeps count, minimum, maximum and total exactly', () => {
    const histogram = histogramOf([5, 123_456_789, 0, 7]);
    expect(histogram).toMatchObject({ count: 4, min: 0, max: 123_456_789, total: 123_456_801 });
    expect(ValueHistogram.from(histogram.serialize())).toMatchObject({
      count: 4,
      min: 0,
      max: 123_456_789,
      total: 123_456_801,
    });
    expect(histogram.mean).toBe(123_456_801 / 4);
  });

  it('has percentiles within two digits, inside what was recorded', () => {
    const histogram = histogramOf(Array.from({ length: 1000 }, (_, i) => (i + 1) * 1000));
    expect(Math.abs(histogram.percentile(50) / 500_000 - 1)).toBeLessThan(0.01);
    expect(Math.abs(histogram.percentile(99) / 990_000 - 1)).toBeLessThan(0.01);
    expect(histogram.percentile(100)).toBe(1_000_000);
    expect(histogram.percentile(0)).toBe(1000);
  });

  it('rounds fractions and takes a clock that went backwards for 0', () => {
    expect(histogramOf([1.6, -3, Number.NaN])).toMatchObject({ count: 3, min: 0, max: 2, total: 2 });
  });

  it('is nothing while nothing was recorded', () => {
    const histogram = new ValueHistogram();
    expect(histogram.serialize()).toEqual(EMPTY_HISTOGRAM);
    expect([histogram.percentile(99), histogram.mean, histogram.buckets().length]).toEqual([0, 0, 0]);
    expect(mergeHistograms([])).toEqual(EMPTY_HISTOGRAM);
  });

  it('merges to the histogram of the union', () => {
    const value = fc.oneof(fc.nat(300), fc.nat(1e6), fc.integer({ min: 0, max: 1e13 }));
    fc.assert(
      fc.property(fc.array(fc.array(value, { maxLength: 20 }), { maxLength: 5 }), (lists) => {
        const union = histogramOf(lists.flat());
        const merged = ValueHistogram.from(
          mergeHistograms(lists.map((list) => histogramOf(list).serialize())),
        );
        expect(merged.buckets()).toEqual(union.buckets());
        expect([merged.count, merged.min, merged.max, merged.total]).toEqual([
          union.count,
          union.min,
          union.max,
          union.total,
        ]);
      }),
      { seed: 42 },
    );
  });

  it('has buckets that add up to the count', () => {
    const buckets = histogramOf([3, 3, 70_000]).buckets();
    expect(buckets[0]).toEqual({ from: 3, to: 3, count: 2 });
    expect(buckets).toHaveLength(2);
    expect(buckets[1]!.from).toBeLessThanOrEqual(70_000);
    expect(buckets[1]!.to).toBeGreaterThanOrEqual(70_000);
  });

  it('serializes to what can be posted to another thread', () => {
    const data = histogramOf([1, 2]).serialize();
    expect(structuredClone(data)).toEqual(data);
  });
});
