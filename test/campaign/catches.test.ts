import { describe, expect, it } from 'vitest';
import { replaySchedule, search, type SearchOptions } from '../../src/campaign/search.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { engineOf, findVariant, VARIANTS } from '../../src/variants/index.ts';

/** Most schedules a hunt may take. */
const BUDGET = 20_000;
const SEED = 'catch-1';

/** The bug, the check that finds it first, and the one that finds it when flush accounting does not count. */
const CAUGHT: readonly (readonly [variant: string, by: string, withoutAccounting: string])[] = [
  ['never-flush-on-reuse', 'D24', 'Q35'],
  ['no-restart-after-eagain', 'D4', 'D4'],
  ['child-role-ignores-access', 'Q10', 'Q10'],
  ['skip-wrprot-if-not-writable', 'D10', 'D10'],
  ['link-before-fill', 'Q35', 'Q35'],
  ['busted-lock', 'D1', 'D1'],
  ['p3-without-f1', 'Q35', 'Q35'],
  ['p3-without-f2', 'Q35', 'Q35'],
  ['p3-without-f3', 'Q35', 'Q35'],
  ['p3-without-f4', 'Q35', 'Q35'],
  ['p3-without-f5', 'Q35', 'Q35'],
  ['p3-without-f6', 'Q35', 'Q35'],
  ['p3-without-f9', 'Q35', 'Q35'],
  ['aging-thaws', 'Q38', 'Q38'],
];

async function options(variantName: string, engineName: string): Promise<Omit<SearchOptions, 'judge'>> {
  const variant = findVariant(variantName)!;
  const machine = buildMachine(
    await loadScenario(variant.scenario ?? 'nested-migration'),
    'explore',
    variant.parameters,
  );
  return {
    machine,
    layout: layoutThatFits(machine, 2 ** 32),
    engine: engineOf([findVariant(engineName)!]),
    custom: undefined,
    seed: SEED,
    from: 0,
    schedules: BUDGET,
    maxFailures: 1,
    strategy: parseStrategy('random-walk'),
    twice: false,
    signal: new AbortController().signal,
  };
}
const judge = () => makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS });

describe('the random walk', () => {
  it('is tried on every bug that has no record; `splitstorm bugs` hunts the others', () => {
    const bugs = VARIANTS.filter(({ kind, bug }) => kind === 'bug' && bug === undefined);
    expect(CAUGHT.map(([name]) => name).sort()).toEqual(bugs.map(({ name }) => name).sort());
  });

  it.each(CAUGHT)('finds %s as %s, and a hundred replays agree', async (name, by, withoutAccounting) => {
    const base = await options(name, name);
    const { failures } = await search({ ...base, judge: judge() });
    expect(failures).toHaveLength(1);
    const failure = failures[0]!;
    expect(failure.violation.id).toBe(by);
    expect(failure.reproduced).toBe(true);
    const { schedule, hash } = failure;
    const hashes = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const { result, same } = replaySchedule({ ...base, judge: judge(), schedule });
      expect(same).toBe(true);
      expect(result.violations[0]).toEqual(failure.violation);
      hashes.add(result.hash);
    }
    expect([...hashes]).toEqual([hash]);

    const deeper = await search({ ...base, judge: judge(), without: new Set(['D24']) });
    expect(deeper.failures[0]?.violation.id).toBe(withoutAccounting);
  });

  it('sees the TLB over the hole too, when nothing else may speak', async () => {
    const base = await options('never-flush-on-reuse', 'never-flush-on-reuse');
    const { failures } = await search({ ...base, judge: judge(), without: new Set(['D24', 'Q35', 'D20']) });
    expect(['Q49', 'Q50']).toContain(failures[0]?.violation.id);
  });

  it.each(['p0', 'p1', 'p2'])(
    'reports nothing about the clean engine %s in the same scenarios',
    async (profile) => {
      const machines = new Map<string, Omit<SearchOptions, 'judge'>>();
      for (const [name] of CAUGHT) {
        const { scenario, parameters } = findVariant(name)!;
        machines.set(JSON.stringify([scenario, parameters]), await options(name, profile));
      }
      expect(machines.size).toBeGreaterThan(5);
      for (const base of machines.values()) {
        const { failures, diverged } = await search({ ...base, judge: judge(), schedules: 150, twice: true });
        expect(failures).toEqual([]);
        expect(diverged).toEqual([]);
      }
    },
  );
});
