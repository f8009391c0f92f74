/** Shrinking a failing run of a machine: schedule, actors, workload, and the certificate. */
import { setImmediate } from 'node:timers/promises';
import {
  Budget,
  beforeOf,
  canonicalise,
  certify,
  minimiseFirst,
  type Certificate,
  type Shrunk,
} from '../explore/shrink.ts';
import { masterSeed } from '../cpu/random.ts';
import type { ControlledResult } from '../runtime/controlled.ts';
import type { Scenario } from '../scenario/define.ts';
import { runtimeOf, schedulerOf, type RunSpec } from './run-spec.ts';
import { begun, dropMoves } from '../explore/drop-moves.ts';
import type { Kept } from '../explore/runner.ts';
import { MoveRecorder } from '../explore/moves.ts';
import { OverrideScheduler } from '../explore/overrides.ts';
import { better, isSimple, simpler, type FailingRun, type Workplace } from '../explore/failing-run.ts';
import { reduce } from '../explore/reduce.ts';
import { MANY, searchAfresh } from './search-afresh.ts';
import { placeOf, shrinkWorkload, WORTHWHILE, type Failing } from './shrink-workload.ts';
import { signatureOf } from './signature.ts';

export interface ShrinkFailureOptions {
  readonly spec: RunSpec;
  readonly scenario: Scenario;
  readonly given: Readonly<Record<string, string | boolean>>;
  /** Runs spent on leaving things out, the workload included. */
  readonly maxReplays: number;
  /** Schedules spent on the certificate. */
  readonly maxCertificate: number;
  /** Leave the workload as it is. */
  readonly keepWorkload: boolean;
  /** True once what there is has to do. */
  readonly stopped?: () => boolean;
}

export interface ShrunkFailure {
  /** The minimal run: its plan is overrides; machine, actors and schedule may be others than before. */
  readonly spec: RunSpec;
  readonly given: Readonly<Record<string, string | boolean>>;
  readonly result: ControlledResult;
  readonly before: Shrunk['before'];
  /** Moves that were begun before it failed. */
  readonly moves: { readonly before: number; readonly after: number };
  /** It was stopped: there may be less to it. */
  readonly interrupted: boolean;
  readonly replays: number;
  /** Schedules that were tried afresh, as too many preemptions were left. */
  readonly fresh: number;
  /** Replays in which moves were left out, as too many were left then. */
  readonly long: number;
  readonly certificate: Certificate;
  /** Milliseconds without the certificate, and with it. */
  readonly elapsedMs: { readonly shrinking: number; readonly all: number };
}

/** Schedules that are tried afresh at most. */
const FRESH = 600;
/** And as many again if more preemptions than this are left when moves were left out. */
const HOPELESS = 5;
const MORE_FRESH = 2_400;
/** Steps of replays in which moves are left out of a run that keeps many preemptions: some ten seconds. */
const LONG_STEPS = 10_000_000;

/** Moves that are begun in a run before it fails, and what it keeps without the others. */
function movesOf(
  { runner, master, schedule }: Workplace,
  run: FailingRun,
): { readonly moves: number; readonly kept: Kept } {
  const recorder = new MoveRecorder(new OverrideScheduler(run.overrides));
  runner.idle = run.idle;
  runner.kept = run.kept;
  runner.run(recorder, master, schedule);
  return { moves: recorder.moves.length, kept: begun(run.kept, recorder.moves) };
}

/** Leaves moves out of a run that is otherwise minimal, on what is left of its budget, if that makes it much shorter. */
function fewerMoves(failing: Failing): Failing {
  const { place, run } = failing;
  const fewer = dropMoves(place, run).run;
  const shorter = fewer.result.steps <= WORTHWHILE * run.result.steps;
  return shorter && fewer.result.preemptions <= run.result.preemptions ? { ...failing, run: fewer } : failing;
}

/** @throws NotReproduced if the run does not fail */
export function shrinkFailure(options: ShrinkFailureOptions): ShrunkFailure {
  for (const stages = shrinkInStages(options); ;) {
    const stage = stages.next();
    if (stage.done === true) return stage.value;
  }
}

/** Looks at the event loop every few seconds; once the signal is aborted the best so far has to do. @throws NotReproduced */
export async function shrinkUnlessAborted(
  options: ShrinkFailureOptions,
  signal: AbortSignal,
): Promise<ShrunkFailure> {
  for (const stages = shrinkInStages({ ...options, stopped: () => signal.aborted }); ;) {
    const stage = stages.next();
    if (stage.done === true) return stage.value;
    await setImmediate();
  }
}

function* shrinkInStages(options: ShrinkFailureOptions): Generator<void, ShrunkFailure> {
  const { stopped = () => false } = options;
  const began = performance.now();
  const { spec, given } = options;
  const runtime = runtimeOf(spec);
  const recorder = new MoveRecorder(schedulerOf(runtime, spec));
  const first = canonicalise(recorder, {
    runner: runtime,
    master: masterSeed(spec.seed),
    schedule: spec.schedule,
    signature: signatureOf(runtime.kvm),
  });
  const budget = new Budget(options.maxReplays);
  const place = placeOf(spec, runtime, { wanted: first.signature, budget });
  const moves = recorder.moves.length;
  const minimal = minimiseFirst(place, first);
  yield;
  const fresh = new Budget(FRESH + MORE_FRESH);
  const long = new Budget(Infinity, undefined, LONG_STEPS);
  let failing: Failing = { spec, given, runtime, place, run: minimal };
  if (!options.keepWorkload) {
    failing = searchAfresh(failing, new Budget(FRESH, fresh));
    yield;
    if (!isSimple(failing.run, MANY)) {
      for (const run of reduce({ ...place, budget: long }, first, minimal, MANY)) {
        if (simpler(run, failing.run, MANY)) failing = { ...failing, spec, place, run };
        yield;
        if (stopped()) break;
      }
    }
    while (failing.run.result.preemptions > HOPELESS && !fresh.spent && !stopped()) {
      const start = { ...failing, spec, place, run: minimal };
      const other = searchAfresh(start, new Budget(FRESH, fresh), fresh.used);
      if (better(other.run, failing.run)) failing = other;
      yield;
    }
    if (!stopped()) failing = fewerMoves(shrinkWorkload(failing, options.scenario));
    yield;
  }
  const shrinking = performance.now() - began;
  const { run, certificate } = certify(failing.place, failing.run, stopped() ? 0 : options.maxCertificate);
  const left = movesOf(failing.place, run);
  return {
    spec: { ...failing.spec, idle: run.idle, kept: left.kept, plan: { overrides: run.overrides } },
    given: failing.given,
    result: { ...run.result, schedule: failing.spec.schedule },
    before: beforeOf(first),
    moves: { before: moves, after: left.moves },
    interrupted: stopped(),
    replays: budget.used,
    long: long.used,
    fresh: fresh.used,
    certificate,
    elapsedMs: { shrinking, all: performance.now() - began },
  };
}
