import { beforeAll, describe, expect, it } from 'vitest';
import { search } from '../../src/campaign/search.ts';
import { runtimeOf, schedulerOf, type RunSpec } from '../../src/campaign/run-spec.ts';
import { searchAfresh } from '../../src/campaign/search-afresh.ts';
import { shrinkFailure, shrinkUnlessAborted } from '../../src/campaign/shrink-failure.ts';
import { placeOf, type Failing } from '../../src/campaign/shrink-workload.ts';
import { signatureOf } from '../../src/campaign/signature.ts';
import { runOfToken } from '../../src/campaign/token-run.ts';
import { tokenOf } from '../../src/campaign/tokens.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { masterSeed } from '../../src/cpu/random.ts';
import { reduce } from '../../src/explore/reduce.ts';
import { Budget, canonicalise } from '../../src/explore/shrink.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { engineOf, findVariant } from '../../src/variants/index.ts';
import { LIMIT } from '../support/machines.ts';

const BUG = 'b-50-child-reuse-ignores-gfn';
const scenario = await loadScenario('l1-remap');
let spec: RunSpec;
let failing: Failing;

/** B-50, found with dozens of preemptions. */
beforeAll(async () => {
  const machine = buildMachine(scenario, 'explore');
  const base = {
    machine,
    layout: layoutThatFits(machine, 2 ** 32),
    engine: engineOf([findVariant(BUG)!]),
    custom: scenario.actors,
    without: new Set(['D24']),
    seed: '2',
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
  spec = { ...base, idle: new Set(), schedule, plan: { strategy: parseStrategy(strategy) } };
  const runtime = runtimeOf(spec);
  const run = canonicalise(schedulerOf(runtime, spec), {
    runner: runtime,
    master: masterSeed(spec.seed),
    schedule,
    signature: signatureOf(runtime.kvm),
  });
  const place = placeOf(spec, runtime, { wanted: run.signature, budget: new Budget(400) });
  failing = { spec, given: {}, runtime, place, run };
});

describe('a failure with many preemptions', () => {
  it('is sought afresh on other data, with few', () => {
    expect(failing.run.result.preemptions).toBeGreaterThan(20);
    const fresh = new Budget(2_000);
    const other = searchAfresh(failing, fresh);
    expect(fresh.used).toBeGreaterThan(0);
    expect(other.run.result.violations[0]?.id).toBe('Q24');
    expect(other.run.result.preemptions).toBeLessThanOrEqual(2);
    expect(other.spec.schedule).toBe(other.place.schedule);
  });

  it('is made short by leaving moves out, on the data it has', () => {
    const place = { ...failing.place, budget: new Budget(Infinity, undefined, 1_000_000) };
    const run = [...reduce(place, failing.run, failing.run, 2)].at(-1)!;
    expect(run.result.preemptions).toBeLessThanOrEqual(2);
    expect(run.result.steps).toBeLessThan(failing.run.result.steps / 2);
    const kept = [...run.kept.values()].reduce((sum, moves) => sum + moves.length, 0);
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(20);
  });

  it('keeps what it is where the budget is nothing', () => {
    const place = { ...failing.place, budget: new Budget(Infinity, undefined, 0) };
    expect([...reduce(place, failing.run, failing.run, 2)]).toEqual([]);
  });
});

describe('what is left of a failure', () => {
  const shrunk = (keepWorkload: boolean) =>
    shrinkFailure({ spec, scenario, given: {}, maxReplays: 200, maxCertificate: 0, keepWorkload });

  it('has few preemptions after 200 replays, and few moves, which its token has', async () => {
    const { before, result, replays, spec: minimal, given } = shrunk(false);
    expect(before.preemptions).toBeGreaterThan(20);
    expect(replays).toBeLessThanOrEqual(200);
    expect(result.preemptions).toBeLessThanOrEqual(2);
    expect(minimal.kept?.size).toBeGreaterThan(0);
    const token = tokenOf({ ...minimal, ...result, scenarioFile: undefined, variants: [BUG], given });
    const again = await runOfToken(token!, LIMIT);
    expect(again.spec.kept).toEqual(minimal.kept);
    const runtime = runtimeOf(again.spec);
    const replayed = runtime.run(
      schedulerOf(runtime, again.spec),
      masterSeed(again.spec.seed),
      again.spec.schedule,
    );
    expect([replayed.hash, replayed.steps]).toEqual([result.hash, result.steps]);
    // Without the moves that were left out it is another run.
    const all = runtimeOf({ ...again.spec, kept: new Map() });
    const other = all.run(schedulerOf(all, again.spec), masterSeed(again.spec.seed), again.spec.schedule);
    expect(other.hash).not.toBe(result.hash);
  });

  it('is the best so far where it is stopped', async () => {
    const options = {
      spec,
      scenario,
      given: {},
      maxReplays: 200,
      maxCertificate: 1_000,
      keepWorkload: false,
    };
    const { interrupted, result, long } = await shrinkUnlessAborted(options, AbortSignal.abort());
    expect([interrupted, long]).toEqual([true, 0]);
    expect(result.violations[0]?.id).toBe('Q24');
    expect(shrunk(false).interrupted).toBe(false);
  });

  it('has all of its moves where the workload is to stay', () => {
    const { fresh, long, spec: minimal } = shrunk(true);
    expect([fresh, long]).toEqual([0, 0]);
    expect(minimal.kept?.size ?? 0).toBe(0);
  });
});
