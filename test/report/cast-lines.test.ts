import { describe, expect, it } from 'vitest';
import { C, COUNTERS } from '../../src/cpu/counters.ts';
import { summarize } from '../../src/measure/summary.ts';
import { actorNames, castLines } from '../../src/report/cast-lines.ts';
import { renderReport } from '../../src/report/terminal.ts';
import { counterRow, sampleOutcome, sampleStatistics } from './sample.ts';

describe('the lines of the cast', () => {
  it('name only what occurred, with its count', () => {
    expect(castLines({ tdpSplits: 1234, tdpYields: 0, injectedStays: 2 })).toEqual([
      { label: 'TDP MMU', parts: ['splits 1,234'] },
      { label: 'faults injected', parts: ['long stays outside 2'] },
    ]);
    expect(castLines({})).toEqual([]);
  });

  it('tell every counter from tdpSplits on: those that a cast, a host or the environment moves', () => {
    const untold = COUNTERS.slice(C.tdpSplits).filter((name) => castLines({ [name]: 1 }).length === 0);
    expect(untold).toEqual([]);
  });

  it('are a section of the report, after the machine and before the checks', () => {
    const statistics = summarize({
      unit: 'ns',
      duration: 1e9,
      rows: [{ cls: 'host', row: counterRow({ invalidations: 31, pagesMoved: 7 }) }],
    });
    const outcome = sampleOutcome({
      statistics,
      actors: [
        { name: 'migration', class: 'migration', status: 'done' },
        { name: 'L2 vCPU 0', class: 'l2-vcpu', status: 'done' },
        { name: 'L2 vCPU 1', class: 'l2-vcpu', status: 'done' },
        { name: 'mmu-notifier', class: 'host', status: 'done' },
      ],
    });
    const report = renderReport(outcome, { width: 80, color: false });
    expect(report.split('\n\n').map((part) => part.split('\n')[0])).toEqual(
      expect.arrayContaining(['Machine', 'Cast', 'Checks']),
    );
    expect(report.slice(report.indexOf('\nCast\n'), report.indexOf('\nChecks\n')).trimEnd()).toBe(
      '\nCast\n' +
        '  actors            migration, L2 vCPU 0 to 1, mmu-notifier\n' +
        '  host              invalidations 31, moved 7',
    );
  });

  it('are absent where nobody else acted', () => {
    const report = renderReport(sampleOutcome({ statistics: sampleStatistics() }), {
      width: 80,
      color: false,
    });
    expect(report).not.toContain('\nCast\n');
  });
});

describe('the names of actors', () => {
  it('are joined where numbers run on', () => {
    expect(actorNames(['migration', 'L2 vCPU 0', 'L2 vCPU 1', 'L2 vCPU 2', 'L1 vCPU 3', 'reclaim'])).toEqual([
      'migration',
      'L2 vCPU 0 to 2',
      'L1 vCPU 3',
      'reclaim',
    ]);
  });
});
