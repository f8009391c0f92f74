import { expect, it } from 'vitest';
import { search } from '../../src/campaign/search.ts';
import { shrinkFailure } from '../../src/campaign/shrink-failure.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { engineOf, findVariant } from '../../src/variants/index.ts';

/** B-50, found with dozens of preemptions; leaving some out makes the failure go. */
async function shrunk(keepWorkload: boolean) {
  const scenario = await loadScenario('l1-remap');
  const machine = buildMachine(scenario, 'explore');
  const base = {
    machine,
    layout: layoutThatFits(machine, 2 ** 32),
    engine: engineOf([findVariant('b-50-child-reuse-ignores-gfn')!]),
    custom: scenario.actors,
    without: new Set(['D24']),
    seed: '1',
  };
  const found = await search({
    ...base,
    strategy: parseStrategy('portfolio'),
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
    from: 0,
    schedules: 1_000,
    maxFailures: 1,
    twice: false,
    signal: new AbortController().signal,
  });
  const { schedule, strategy } = found.failures[0]!;
  return shrinkFailure({
    spec: { ...base, idle: new Set(), schedule, plan: { strategy: parseStrategy(strategy) } },
    scenario,
    given: {},
    maxReplays: 200,
    maxCertificate: 0,
    keepWorkload,
  });
}

it('a failure that keeps many preemptions is sought afresh on other data, with few', async () => {
  const { before, result, fresh, replays } = await shrunk(false);
  expect(before.preemptions).toBeGreaterThan(20);
  expect(fresh).toBeGreaterThan(0);
  expect(replays).toBeLessThanOrEqual(200);
  expect(result.violations[0]?.id).toBe('Q24');
  expect(result.preemptions).toBeLessThanOrEqual(2);
});

it('and keeps them where the data are to stay', async () => {
  const { result, fresh } = await shrunk(true);
  expect(fresh).toBe(0);
  expect(result.preemptions).toBeGreaterThan(2);
});
