import { describe, expect, it } from 'vitest';
import type { ClaimRecord } from '../../src/report/claim-record.ts';
import { claimLines, claimsMarkdown, verdictCounts } from '../../src/report/claims-report.ts';

const RECORD: ClaimRecord = {
  id: 'X1',
  claim: 'A claim.',
  facts: ['9.2'],
  verdict: 'refuted',
  text: 'It is | not so.',
  figures: { flushes: 1234, share: 0.123456, word: 'none' },
  runs: [
    {
      command: 'splitstorm explore a --seed 1',
      method: 'random',
      schedules: 1000,
      steps: 9,
      complete: false,
      nextIsNew: 0.5,
    },
    {
      command: 'splitstorm prove b',
      method: 'preemptions',
      schedules: 7,
      steps: 9,
      complete: true,
      bound: 2,
    },
    {
      command: 'splitstorm prove c',
      method: 'every behaviour',
      schedules: 1,
      steps: 9,
      complete: true,
      broken: 'Q35',
    },
    { command: 'splitstorm prove d', method: 'every behaviour', schedules: 5, steps: 9, complete: false },
  ],
  witnesses: [{ what: 'a under p1', check: 'Q35', found: 'a hole', token: 'S1.a.x', preemptions: 1 }],
  control: { changed: 'p2', verdict: 'confirmed', text: 'so', schedules: 20, otherwise: true },
  seconds: 1,
};

describe('the report of a claim', () => {
  it('says the verdict, the figures, every search, the witness and the control', () => {
    expect(claimLines(RECORD, 200)).toEqual([
      'X1 REFUTED A claim.',
      '  answer   It is | not so.',
      '  figures  flushes: 1,234; share: 0.123; word: none',
      '  ran      splitstorm explore a --seed 1: 1,000 schedules at random; the next is new with 50 %',
      '  ran      splitstorm prove b: all with at most 2 preemptions, 7 schedules',
      '  ran      splitstorm prove c: Q35 is broken after 1 class',
      '  ran      splitstorm prove d: not complete, 5 classes',
      '  witness  Q35 in a under p1, 1 preemption: npx splitstorm explain S1.a.x',
      '  control  with p2: confirmed, 20 schedules',
    ]);
  });

  it('stays within a narrow terminal', () => {
    for (const line of claimLines(RECORD, 40)) expect(line.length).toBeLessThanOrEqual(40);
  });

  it('shouts about a blind experiment and about a harness that failed', () => {
    const blind = { ...RECORD, control: { ...RECORD.control!, otherwise: false }, error: 'out of memory' };
    const text = claimLines(blind, 300).join('\n');
    expect(text).toContain('this experiment is blind');
    expect(text).toContain('FAILED   out of memory');
  });

  it('is one row of a table in Markdown, with what was run below it', () => {
    const text = claimsMarkdown([RECORD]);
    expect(text).toContain(
      '| X1 | A claim. | **refuted** | It is \\| not so. | 1,013, 2 of 4 searches complete |',
    );
    expect(text).toContain('### X1');
    expect(text).toContain('`npx splitstorm explain S1.a.x`');
  });

  it('counts verdicts in a fixed order', () => {
    expect(verdictCounts([RECORD, { ...RECORD, verdict: 'confirmed' }, RECORD])).toBe(
      '1 confirmed, 2 refuted',
    );
  });
});
