/**
 * Is the net alive? Before a verdict counts, things of three kinds that must go wrong are made to (after TigerBeetle's canary and
 * locktorture's busted lock):
 *
 * 1. a variant that must fail fails: a search finds a child that is linked before it is filled (by a step check), entries
 *    of the wrong A/D kind (by a state check), and a lock that excludes nobody (from inside the model);
 * 2. a replay that must diverge diverges: a schedule file of the clean engine, played on another one, is stopped, and a search
 *    notices an engine that does not do the same twice;
 * 3. an oracle that must fire fires: a count is changed behind the model's back, and the state checks see it.
 *
 * That the clean engine passes each of them is a part of it: a net that catches everything is none either.
 */
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../check/all.ts';
import { makeJudge } from '../check/judge.ts';
import { CheckRunner } from '../check/run-checks.ts';
import type { StateCheck } from '../check/types.ts';
import randomWalk from '../explore/strategies/random-walk.ts';
import { P1_ENGINE } from '../mmu/default-engine.ts';
import type { Engine } from '../mmu/engine.ts';
import { KVM } from '../mmu/kvm.ts';
import { ControlledRuntime, type Judge } from '../runtime/controlled.ts';
import { buildMachine, layoutThatFits } from '../scenario/build.ts';
import { loadScenario } from '../scenario/load.ts';
import writeProtectOnlyWithoutPml from '../variants/bugs/b-36-write-protect-only-without-pml.ts';
import bustedLock from '../variants/bugs/busted-lock.ts';
import linkBeforeFill from '../variants/bugs/link-before-fill.ts';
import { engineOf } from '../variants/index.ts';
import p0 from '../variants/profiles/p0.ts';
import type { RunSpec } from './run-spec.ts';
import { compareWithFile, recordSchedule } from './schedule-files.ts';
import { search, type SearchOptions, type SearchResult } from './search.ts';

/** Nearly every schedule shows the planted bugs: if none of these does, the search is blind. */
const SCHEDULES = 16;
const LIMIT = 2 ** 32;
const SCENARIO = 'nested-migration';
const SEED = 'canary';

/** What can be put in place of the real parts, to see that the canary notices. */
export interface CanaryParts {
  readonly judge?: () => Judge;
  readonly clean?: Engine;
  /** Behaves otherwise than the clean engine in the first schedule. */
  readonly other?: Engine;
  /** Makes an engine that does not do the same twice. */
  readonly fickle?: () => Engine;
  readonly stateChecks?: readonly StateCheck[];
}

export interface CanaryResult {
  readonly alive: boolean;
  /** What went wrong as it must. */
  readonly proved: readonly string[];
  /** What did not; empty if the net is alive. */
  readonly dead: readonly string[];
}

/** P1, but the first split of all gives mmu_lock up for no reason: another run than when it is made again. */
function fickleEngine(): Engine {
  let asked = false;
  return {
    ...P1_ENGINE,
    needTopupSplitCachesOrResched(kvm, cpu, caches) {
      const needed = P1_ENGINE.needTopupSplitCachesOrResched(kvm, cpu, caches);
      if (asked) return needed;
      asked = true;
      return !needed;
    },
  };
}

/** Tries the net. Takes about a tenth of a second, and touches nothing of the run it is for. */
export async function canary(parts: CanaryParts = {}): Promise<CanaryResult> {
  const proved: string[] = [];
  const dead: string[] = [];
  const prove = (holds: boolean, what: string, otherwise: string): void => {
    if (holds) proved.push(what);
    else dead.push(otherwise);
  };
  const scenario = await loadScenario(SCENARIO);
  const machine = buildMachine(scenario, 'explore', {});
  const judge =
    parts.judge ?? (() => makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }));
  const common = { machine, layout: layoutThatFits(machine, LIMIT), custom: scenario.actors };
  const clean = parts.clean ?? P1_ENGINE;
  const searchIn = (engine: Engine, more: Partial<SearchOptions> = {}): Promise<SearchResult> =>
    search({
      ...common,
      engine,
      judge: judge(),
      seed: SEED,
      from: 0,
      schedules: SCHEDULES,
      maxFailures: 1,
      strategy: { strategy: randomWalk, option: 0 },
      twice: false,
      coverage: false,
      signal: new AbortController().signal,
      ...more,
    });

  for (const [variant, id, what] of [
    [linkBeforeFill, 'Q35', 'a child that is linked before it is filled'],
    [writeProtectOnlyWithoutPml, 'Q31', 'an entry marked write-protect-only although PML is off'],
    [bustedLock, 'D1', 'an mmu_lock that excludes nobody'],
  ] as const) {
    const failure = (await searchIn(engineOf([variant]))).failures[0];
    prove(
      failure?.violation.id === id && failure.reproduced,
      `${id} catches ${what}`,
      `${what} was not caught by ${id} in ${SCHEDULES} schedules, but by ${failure?.violation.id ?? 'nothing'}`,
    );
  }

  const fickle = await searchIn((parts.fickle ?? fickleEngine)(), { schedules: 1 });
  prove(
    fickle.diverged.length > 0,
    'a second run that differs is seen',
    'an engine that does something else when a schedule is run again was not noticed',
  );

  const spec: RunSpec = {
    ...common,
    engine: clean,
    without: new Set(),
    idle: new Set(),
    seed: SEED,
    schedule: 0,
    plan: { strategy: { strategy: randomWalk, option: 0 } },
  };
  const runtimeFor = (engine: Engine): ControlledRuntime =>
    new ControlledRuntime({ ...common, engine, judge: judge() });
  const recorded = { spec, scenarioName: SCENARIO, variants: ['p1'], given: {}, foundBy: randomWalk.name };
  const runtime = runtimeFor(clean);
  const { file, result } = recordSchedule(runtime, recorded);
  const other = parts.other ?? engineOf([p0]);
  const again = compareWithFile(runtimeFor(clean), spec, file);
  const changed = compareWithFile(runtimeFor(other), { ...spec, engine: other }, file);
  prove(
    again === undefined && changed?.kind === 'diverged',
    'a replay on another engine diverges',
    again === undefined
      ? 'a replay on another engine passed as if nothing had changed'
      : `a replay on the same engine diverged: ${again.text}`,
  );

  const checks = parts.stateChecks ?? ALL_STATE_CHECKS;
  const found = result.violations[0]?.id ?? firesAt(runtime, checks);
  prove(
    found === undefined && firesAt(runtime, checks, 1) === 'Q4',
    'Q4 sees a page too many in n_used_mmu_pages',
    found === undefined
      ? 'a page too many in n_used_mmu_pages was not seen by the state checks (Q4)'
      : `${found} fired on the clean engine`,
  );
  return { alive: dead.length === 0, proved, dead };
}

/** The first state check that fires on what a run has left, with so many pages more in its count than there are. */
function firesAt({ kvm }: ControlledRuntime, checks: readonly StateCheck[], more = 0): string | undefined {
  let first: string | undefined;
  kvm.put(KVM.nUsed, kvm.get(KVM.nUsed) + more);
  new CheckRunner((id) => (first ??= id)).run(kvm, checks);
  kvm.put(KVM.nUsed, kvm.get(KVM.nUsed) - more);
  return first;
}
