import { describe, expect, it } from 'vitest';
import { COUNTERS } from '../../src/cpu/counters.ts';
import { COUNTER_TEXT } from '../../src/measure/counter-text.ts';
import { DropLatency } from '../../src/measure/drop-latency.ts';
import { mergeCounters, summarize, type SummaryInput } from '../../src/measure/summary.ts';
import { counterRow } from '../report/sample.ts';

const summary = (counts: Parameters<typeof counterRow>[0], more: Partial<SummaryInput> = {}) =>
  summarize({ unit: 'ns', duration: 2e9, rows: [{ cls: 'migration', row: counterRow(counts) }], ...more });

describe('mergeCounters', () => {
  it('adds rows by class and in total, every counter at its own place', () => {
    const rows = [1, 100, 10_000].map((factor, at) => ({
      cls: at === 0 ? ('migration' as const) : ('l2-vcpu' as const),
      row: Float64Array.from(COUNTERS, (_, index) => index * factor),
    }));
    const { total, byClass } = mergeCounters(rows);
    COUNTERS.forEach((name, index) => {
      expect([name, total[name]]).toEqual([name, index * 10_101]);
      expect(byClass.migration![name]).toBe(index);
      expect(byClass['l2-vcpu']![name]).toBe(index * 10_100);
    });
    expect(Object.keys(byClass)).toEqual(['migration', 'l2-vcpu']);
  });

  it('is all zero without rows', () => {
    const { total, byClass } = mergeCounters([]);
    expect(Object.values(total).every((value) => value === 0)).toBe(true);
    expect(byClass).toEqual({});
  });

  it('has a text for each counter', () => {
    expect(Object.keys(COUNTER_TEXT)).toEqual([...COUNTERS]);
  });
});

describe('summarize', () => {
  it('tells yields by reason', () => {
    const { yields } = summary({
      topupsContended: 100,
      topupsResched: 3,
      topupsCacheLow: 20,
      walkerYields: 12,
      walkerYieldsContended: 10,
    });
    expect(yields).toEqual({
      topup: { total: 123, contended: 100, resched: 3, cacheLow: 20 },
      walker: { total: 12, contended: 10, resched: 2 },
    });
  });

  it('derives splits per hold and per second', () => {
    const counts = { splitOk: 300, splitHolds: 100, splitEagain: 90, splitEnospc: 1, splitEnomem: 10 };
    expect(summary(counts).splits).toMatchObject({
      ok: 300,
      eagain: 90,
      enospc: 1,
      enomem: 10,
      perHold: 3,
      perSecond: 150,
      time: 2e9,
      timeOf: 'run',
    });
    expect(summary(counts, { splitTime: 1e9 }).splits).toMatchObject({
      perSecond: 300,
      time: 1e9,
      timeOf: 'passes',
    });
    expect(summary(counts, { unit: 'steps' }).splits.perSecond).toBeNull();
    expect(summary({ splitOk: 300 }, { duration: 0 }).splits).toMatchObject({
      perHold: null,
      perSecond: null,
    });
  });

  it('tells flushes by reason', () => {
    const { flushes } = summary({ flushes: 6, flushSplit: 1, flushLogOff: 5, flushIpis: 9 });
    expect(flushes).toMatchObject({ total: 6, ipis: 9, byReason: { split: 1, 'log-off': 5, zap: 0 } });
  });

  it.each([
    ['equal', { migrations: 1, pagesCopied: 4, pagesCompared: 4, rounds: 1 }, []],
    ['different', { migrations: 1, pagesCopied: 4, pagesCompared: 4, rounds: 1 }, ['Q1', 'D6']],
    ['unfinished', { pagesCopied: 4, rounds: 1 }, ['Q1']],
    ['none', { splitOk: 4 }, []],
  ] as const)('says that a migration is %s', (result, counts, brokenRules) => {
    expect(summary(counts, { brokenRules }).migration.result).toBe(result);
  });

  it('passes on samples and refuses recorders of another unit', () => {
    const hugePages = [{ t: 1, pages4k: 2, pages2m: 3, pages1g: 4 }];
    expect(summary({}, { hugePages }).hugePages).toEqual(hugePages);
    const steps = new DropLatency('steps').serialize();
    expect(() => summary({}, { dropLatency: [steps] })).toThrow(RangeError);
  });
});
