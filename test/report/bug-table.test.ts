import { describe, expect, it } from 'vitest';
import { bugMarkdown, renderBugTable, type BugRow } from '../../src/report/bug-table.ts';

const ROWS: readonly BugRow[] = [
  {
    name: 'b-50-child-reuse-ignores-gfn',
    id: 'B-50',
    scenario: 'l1-remap',
    strategy: 'portfolio',
    found: 20,
    trials: 20,
    medianSchedules: 1234,
    maxSchedules: 4000,
    medianSeconds: 1.234,
    checks: { Q24: 3, Q10: 17 },
    preemptions: 2,
    token: 'S1.x',
  },
  {
    name: 'clean engine (p1)',
    id: '-',
    scenario: 'l1-remap',
    strategy: 'portfolio',
    found: 0,
    trials: 1,
    medianSchedules: undefined,
    maxSchedules: undefined,
    medianSeconds: undefined,
    checks: {},
    preemptions: undefined,
    token: undefined,
    complaint: 'false alarm: Q1: why',
  },
];

describe('the table of bugs', () => {
  it('shows a row for each, the check that fired most first, and what is wrong below', () => {
    expect(renderBugTable(ROWS, 120)).toEqual(
      [
        'bug                           id    scenario  found  schedules (max)  s     by            preempt.',
        'b-50-child-reuse-ignores-gfn  B-50  l1-remap  20/20  1,234 (4,000)    1.23  Q10 17, Q24 3  2'.replace(
          '1.23  Q10',
          '1.23  Q10',
        ),
        'clean engine (p1)             -     l1-remap  0/1    -                -     -             -',
        '',
        '  clean engine (p1) in l1-remap: false alarm: Q1: why',
      ].map((line) =>
        expect.stringMatching(
          new RegExp(`^${line.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/ +/g, ' +')}$`),
        ),
      ),
    );
  });

  it('drops columns where the terminal is narrow, never the name and what was found', () => {
    for (const width of [40, 60, 80]) expect(renderBugTable(ROWS, width)[0]).toMatch(/^bug .*found/);
    const lines = renderBugTable(ROWS, 80).slice(0, 3);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('has a token to replay in Markdown', () => {
    const lines = bugMarkdown(ROWS).split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[2]).toContain('| `S1.x` |');
    expect(new Set(lines.map((line) => line.split('|').length)).size).toBe(1);
  });
});
