/** Findings of docs/findings and the fixes tried there: broken without the fix, and clean with it in more schedules. */
import { describe, expect, it } from 'vitest';
import { engineNamed, hunt, shipped } from '../support/hunt.ts';

interface Case {
  readonly finding: string;
  readonly scenario: string;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  /** What the finding is about, on P1. */
  readonly broken: string;
  readonly fixed: string;
  readonly check: string;
}

const CASES: readonly Case[] = [
  {
    finding: 'h-a-recycling-during-a-split',
    scenario: 'alias-mixed-access',
    parameters: { recycleThreshold: 2 },
    broken: 'p1',
    fixed: 'recycle-makes-flush',
    check: 'Q35',
  },
  {
    finding: 'h-b-narrower-reused-leaf',
    scenario: 'narrow-reuse',
    parameters: {},
    broken: 'host-pages-read-only-at-first',
    fixed: 'host-pages-read-only-at-first+reuse-makes-flush',
    check: 'Q49',
  },
  {
    finding: 'h-e-log-off-yields-short',
    scenario: 'log-cycle',
    parameters: { flushBackend: 'range-l2' },
    broken: 'p1',
    fixed: 'yield-flushes-all',
    check: 'Q49',
  },
];
/** Flushes are counted against the profile, in which those of a fix are not. */
const without = ['D24'];

describe.each(CASES)('$finding', ({ scenario, parameters, broken, fixed, check }) => {
  it('is found, and is not with the fix', async () => {
    const machine = await shipped(scenario, parameters);
    expect(hunt(machine, engineNamed(broken), 400, { without })).toBe(check);
    expect(hunt(machine, engineNamed(fixed), 60, { without })).toBeUndefined();
  });
});
