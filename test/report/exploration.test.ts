import { describe, expect, it } from 'vitest';
import { outcomeSchema } from '../../src/report/schema.ts';
import { renderReport } from '../../src/report/terminal.ts';
import { formatShare } from '../../src/report/text.ts';
import { sampleOutcome } from './sample.ts';

const exploration = {
  strategy: 'portfolio',
  schedules: 1000,
  steps: 234_567,
  truncated: 0,
  workers: 2,
  failing: 0,
  ended: 'schedules' as const,
  dealt: [
    { strategy: 'urw', schedules: 295 },
    { strategy: 'surw', schedules: 689 },
  ],
  coverage: {
    behaviours: { distinct: 812, once: 700, exact: true, nextIsNew: 0.7 },
    pairs: {
      seen: 40,
      bothOrders: 30,
      byKind: [{ kind: 'SPTE', seen: 40, bothOrders: 30 }],
      oneOrder: [{ kind: 'SPTE', earlier: 'migration store64', later: 'L2 vCPU 0 load64' }],
    },
  },
};

describe('an exploration', () => {
  it('tells who made the schedules and what they covered, and its document is valid', () => {
    const outcome = sampleOutcome({ kind: 'explore', exploration });
    expect(outcomeSchema.safeParse(outcome).error).toBeUndefined();
    const text = renderReport(outcome, { width: 100, color: false });
    expect(text).toContain('dealt to          surw 689, urw 295');
    expect(text).toContain('searched by       2 threads');
    expect(text).toContain('812 different, the next schedule is new with probability 70 %');
    expect(text).toContain('40 met on a word, 30 of them in both orders (75 %)');
    for (const line of renderReport(outcome, { width: 60, color: false }).split('\n'))
      expect(line.length).toBeLessThanOrEqual(60);
  });

  it('says about where the figures are estimates, and nothing of coverage where there is none', () => {
    const { coverage, ...rest } = exploration;
    const behaviours = { ...coverage.behaviours, exact: false };
    const estimated = sampleOutcome({
      kind: 'explore',
      exploration: { ...rest, coverage: { ...coverage, behaviours } },
    });
    expect(renderReport(estimated, { width: 100, color: false })).toContain('about 812 different');
    const without = renderReport(sampleOutcome({ kind: 'explore', exploration: rest }), {
      width: 100,
      color: false,
    });
    expect(without).not.toContain('behaviours');
    expect(without).not.toContain('operation pairs');
  });
});

describe('a share', () => {
  it('is never rounded to all or nothing', () => {
    expect([0, 0.0004, 0.5, 0.123, 0.9999, 1].map(formatShare)).toEqual([
      '0 %',
      '< 0.1 %',
      '50 %',
      '12.3 %',
      '> 99.9 %',
      '100 %',
    ]);
  });
});
