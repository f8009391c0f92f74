/** One hunt: schedules are searched from a seed until the first fails; the failure is shrunk and named by a token. */
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../check/all.ts';
import { makeJudge } from '../../check/judge.ts';
import { parseStrategy } from '../../explore/strategies/index.ts';
import { NotReproduced } from '../../explore/shrink.ts';
import { buildMachine, layoutThatFits } from '../../scenario/build.ts';
import { loadScenario } from '../../scenario/load.ts';
import { search } from '../search.ts';
import type { RunSpec } from '../run-spec.ts';
import { shrinkFailure } from '../shrink-failure.ts';
import { tokenOf } from '../tokens.ts';
import { loadEngine } from '../variants.ts';

/** What a worker is given. */
export interface HuntTask {
  /** Names of variants, from left to right. */
  readonly variants: readonly string[];
  readonly scenario: string;
  /** Parameters of the scenario, as texts. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly strategy: string;
  readonly seed: string;
  /** Most schedules. */
  readonly schedules: number;
  /** Milliseconds after which the hunt ends with what it has. */
  readonly limitMs: number;
  /** Ids of checks whose findings do not count. */
  readonly without: readonly string[];
  /** Replays to spend on shrinking; 0: the failure stays as it is. */
  readonly replays: number;
}

/** A failure that was found. */
export interface Catch {
  readonly check: string;
  readonly text: string;
  /** Schedules run, the failing one included. */
  readonly schedules: number;
  /** Of the failure, shrunk if it was: `splitstorm explain TOKEN`. */
  readonly token: string | undefined;
  /** Preemptions of the schedule, and of what was left of it after shrinking. */
  readonly preemptions: number;
  readonly shrunkTo: number | undefined;
}

export interface Hunt {
  readonly schedules: number;
  readonly steps: number;
  /** Milliseconds of the search, without shrinking. */
  readonly ms: number;
  readonly caught: Catch | undefined;
  /** A schedule gave another trace the second time: nothing that was found counts. */
  readonly diverged: boolean;
  /** The time ran out, or the hunt was interrupted, before the schedules did. */
  readonly cut: boolean;
}

/** Most bytes of an arena that is explored. */
const LIMIT = 2 ** 32;

/**
 * Searches until something fails or the budget ends. The result is a function of the task alone, as long as the time does
 * not run out.
 * @throws ParameterError, ScenarioError for a scenario or parameters that do not exist
 */
export async function hunt(task: HuntTask): Promise<Hunt> {
  const scenario = await loadScenario(task.scenario);
  const machine = buildMachine(scenario, 'explore', task.parameters);
  const without = new Set(task.without);
  const options = {
    machine,
    layout: layoutThatFits(machine, LIMIT),
    engine: await loadEngine(task.variants),
    custom: scenario.actors,
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
    without,
    seed: task.seed,
  };
  const result = await search({
    ...options,
    strategy: parseStrategy(task.strategy),
    from: 0,
    schedules: task.schedules,
    maxFailures: 1,
    twice: false,
    signal: AbortSignal.timeout(Math.max(1, Math.ceil(task.limitMs))),
  });
  const failure = result.failures[0];
  const common = {
    schedules: result.schedules,
    steps: result.steps,
    ms: result.elapsedMs,
    diverged: result.diverged.length > 0,
  };
  if (failure === undefined) return { ...common, caught: undefined, cut: result.interrupted };
  const spec: RunSpec = {
    ...options,
    idle: new Set(),
    schedule: failure.schedule,
    plan: { strategy: parseStrategy(failure.strategy), excerpt: failure.excerpt },
  };
  const named = { scenarioFile: undefined, variants: task.variants, given: task.parameters };
  let token = tokenOf({ ...spec, ...named, steps: failure.steps, hash: failure.hash });
  let shrunkTo: number | undefined;
  if (task.replays > 0) {
    try {
      const minimal = shrinkFailure({
        spec,
        scenario,
        given: task.parameters,
        maxReplays: task.replays,
        maxCertificate: 0,
        keepWorkload: false,
      });
      shrunkTo = minimal.result.preemptions;
      // What is left may still be too long for a token.
      token = tokenOf({ ...minimal.spec, ...named, ...minimal.result, given: minimal.given }) ?? token;
    } catch (error) {
      // The search has reported the divergence already.
      if (!(error instanceof NotReproduced)) throw error;
    }
  }
  return {
    ...common,
    cut: false,
    caught: {
      check: failure.violation.id,
      text: failure.violation.text,
      schedules: result.schedules,
      token,
      preemptions: failure.preemptions,
      shrunkTo,
    },
  };
}
