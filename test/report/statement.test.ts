import { describe, expect, it } from 'vitest';
import { statement, type Proof } from '../../src/report/statement.ts';

const ALL: Proof = {
  scenario: 'tiny-split',
  variant: 'p1',
  seed: '1',
  machine: '0123456789abcdef',
  actors: ['L2 vCPU 0', 'log-on'],
  method: 'dpor',
  why: '',
  bound: null,
  exhausted: null,
  ofNext: null,
  complete: true,
  stopped: 'complete',
  schedules: 147,
  redundant: 0,
  truncated: 0,
  unfair: 0,
  steps: 11_098,
  longest: 83,
  hash: '333cd9e1',
  estimate: { runs: 120, error: 30, probes: 100 },
  reordered: { runs: 64, differences: [], watched: 275, races: [] },
  overrides: null,
  reproduced: true,
  elapsedMs: 1000,
  searchMs: 900,
};
const BOUNDED: Proof = {
  ...ALL,
  method: 'preemptions',
  bound: 2,
  exhausted: 2,
  reordered: { runs: 0, differences: [], watched: 0, races: [] },
};

describe('the statement of a proof', () => {
  it('claims every behaviour where all classes were run, says what that covers, and that independence was tried out', () => {
    const [claim, scope, tried, ...rest] = statement(ALL);
    expect(claim).toBe(
      'PROVED: every behaviour of tiny-split (2 actors) under p1 was run, and no check was broken. Schedules that order ' +
        'dependent operations alike are one class: there are 147 classes, each run once.',
    );
    expect(scope).toMatch(
      /the choices and the workload that this seed draws.*sequentially consistent.*one order of each class/,
    );
    expect(tried).toMatch(/looked at in all 275 runs, .* 64 random runs made again .* the same verdict/);
    expect(rest).toEqual([]);
  });

  it('claims nothing where independent operations do not commute', () => {
    const [claim, doubt] = statement({
      ...ALL,
      reordered: { ...ALL.reordered, differences: ['the memory at the end'] },
    });
    expect(claim).toMatch(
      /^NOTHING IS PROVED: .* the order of independent operations matters in this machine\.$/,
    );
    expect(doubt).toMatch(/differed in the memory at the end/);
  });

  it('claims nothing where actors share what no operation names', () => {
    const races = ['mmu_invalidate_seq, which A reads and B writes'];
    const [claim, doubt] = statement({ ...ALL, reordered: { ...ALL.reordered, races } });
    expect(claim).toMatch(/^NOTHING IS PROVED: .* the order of independent operations matters/);
    expect(doubt).toBe(`Actors share ${races[0]}. --preemptions N does not rely on it.`);
  });

  it.each([
    ['schedules', /the budget of schedules was used up/],
    ['duration', /the time was up/],
    ['interrupted', /it was interrupted/],
  ] as const)('claims nothing of classes that were not all run: %s', (stopped, why) => {
    const parts = statement({ ...ALL, complete: false, stopped });
    expect(parts[0]).toMatch(/^NOTHING IS PROVED: 147 classes of schedules/);
    expect(parts[0]).toMatch(why);
    expect(parts.join(' ')).not.toMatch(/It holds for/);
  });

  it('claims all schedules with few preemptions, and what of the next bound was run', () => {
    expect(statement(BOUNDED)[0]).toMatch(
      /^PROVED: all schedules of .* with at most 2 preemptions were run, 147 of them/,
    );
    const part = statement({ ...BOUNDED, complete: false, exhausted: 1, ofNext: 0.345, stopped: 'duration' });
    expect(part[0]).toMatch(
      /^PROVED IN PART: all schedules .* at most 1 preemption were run.* With 2, 34 % .* the time was up\.$/,
    );
    const none = statement({ ...BOUNDED, complete: false, exhausted: -1, ofNext: 0.3, stopped: 'memory' });
    expect(none[0]).toMatch(/^NOTHING IS PROVED/);
  });

  it('says which bound holds below a failing schedule', () => {
    const failed = { ...BOUNDED, complete: false, stopped: 'violation', overrides: [] } as const;
    expect(statement({ ...failed, exhausted: 1 })).toEqual([
      'NOT SO: a schedule of tiny-split (2 actors) under p1 with 2 preemptions breaks a check, and none with at most 1 does.',
    ]);
    expect(statement({ ...failed, exhausted: -1 })[0]).toMatch(
      /with 0 preemptions breaks a check, which is the fewest/,
    );
    expect(statement({ ...ALL, complete: false, stopped: 'violation', overrides: [] })[0]).toMatch(
      /^NOT SO: .* after 147 runs/,
    );
  });

  it('does not hide schedules that were cut off, nor those that starved somebody', () => {
    expect(statement({ ...ALL, complete: false, truncated: 3 })[0]).toMatch(
      /3 schedules reached the step limit/,
    );
    expect(statement({ ...BOUNDED, unfair: 5 }).join(' ')).toMatch(/5 of the 147 starved somebody/);
  });
});
