import { describe, expect, it } from 'vitest';
import { renderHugePages, sparkline } from '../../src/report/sparkline.ts';

const at = (...values: number[]) => values.map((value, t) => ({ t, value }));

describe('sparkline', () => {
  it('shades against the largest, and shows little as something', () => {
    expect(sparkline(at(9, 4.5, 0), 3)).toBe('@= ');
    expect(sparkline(at(1_000_000, 1, 0), 3)).toBe('@. ');
  });

  it('holds the last sample until the next', () => {
    const samples = [
      { t: 0, value: 9 },
      { t: 90, value: 0 },
      { t: 100, value: 0 },
    ];
    expect(sparkline(samples, 11)).toBe('@@@@@@@@@  ');
  });

  it('has one column for one time, and none for no sample', () => {
    expect(sparkline(at(5), 20)).toBe('@');
    expect(sparkline([], 20)).toBe('');
    expect(sparkline(at(0, 0), 2)).toBe('  ');
  });
});

describe('renderHugePages', () => {
  it('has a row for each size that occurred', () => {
    const samples = [
      { t: 0, pages4k: 0, pages2m: 8, pages1g: 0 },
      { t: 1, pages4k: 4096, pages2m: 0, pages1g: 0 },
    ];
    expect(renderHugePages(samples, 20)).toEqual(['2 MiB 8 |@@@ |     0', '4 KiB 0 |   @| 4,096']);
    expect(renderHugePages([], 20)).toEqual([]);
  });
});
