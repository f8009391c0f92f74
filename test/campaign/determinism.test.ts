import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { search, type SearchOptions, type SearchResult } from '../../src/campaign/search.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { engineOf } from '../../src/variants/index.ts';

const CLOCK = fileURLToPath(new URL('../fixtures/scenarios/actor-reads-clock.mjs', import.meta.url));

async function explore(name: string, options: Partial<SearchOptions>): Promise<SearchResult> {
  const scenario = await loadScenario(name);
  const machine = buildMachine(scenario, 'explore');
  return search({
    machine,
    layout: layoutThatFits(machine, 2 ** 31),
    engine: engineOf([]),
    custom: scenario.actors,
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
    seed: '1',
    from: 0,
    schedules: 40,
    maxFailures: 1,
    strategy: parseStrategy('random-walk'),
    twice: true,
    signal: new AbortController().signal,
    ...options,
  });
}

/** A clock that ticks before reading number `tick`, and then with each `period`-th one. */
function clock(tick: number, period: number): void {
  let reading = 0;
  vi.spyOn(Date, 'now').mockImplementation(() => {
    reading++;
    return reading < tick ? 5 : 6 + Math.floor((reading - tick) / period);
  });
}

afterEach(() => vi.restoreAllMocks());

describe('a scenario that reads the clock', () => {
  it('is caught by the second run, with the step, the actors and both operations', async () => {
    clock(1, 1);
    const { diverged, differences } = await explore(CLOCK, {});
    expect(diverged).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(differences).toHaveLength(3);
    expect(differences[0]).toMatch(
      /^schedule 0, step \d+: clock store page 0x0 \(0x6, 0x0\) the first time, clock store page 0x0 \(0x7, 0x0\) the second$/,
    );
  });

  it('is caught in the one schedule during which the clock ticks', async () => {
    // Readings 1 and 2 are those of schedule 0; 60 is the second of schedule 29.
    clock(60, 1e9);
    const { diverged, differences } = await explore(CLOCK, {});
    expect(diverged).toEqual([29]);
    expect(differences[0]).toMatch(/^schedule 29, step \d+: .*0x5.*0x6/);
  });

  it('is caught without --twice among the first schedules, which always run twice', async () => {
    clock(1, 1);
    const { diverged } = await explore(CLOCK, { twice: false });
    expect(diverged).toEqual(Array.from({ length: 16 }, (_, i) => i));
  });

  it('passes as long as the clock stands still: the difference is the clock', async () => {
    clock(1, 1e9);
    expect((await explore(CLOCK, {})).diverged).toEqual([]);
  });
});

describe('every explored schedule of a shipped scenario', () => {
  it.each(['portfolio', 'surw', 'pct', 'random-walk'])('gives the same trace twice: %s', async (strategy) => {
    const result = await explore('nx-partial-reuse', {
      strategy: parseStrategy(strategy),
      schedules: 60,
      maxFailures: 60,
    });
    expect(result.diverged).toEqual([]);
    expect(result.differences).toEqual([]);
    expect(result.schedules).toBe(60);
  });
});
