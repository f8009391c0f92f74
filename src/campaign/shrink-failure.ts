/** Shrinking a failing run of a machine: schedule, actors, workload, and the certificate. */
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
import { searchAfresh } from './search-afresh.ts';
import { placeOf, shrinkWorkload, type Failing } from './shrink-workload.ts';
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
}

export interface ShrunkFailure {
  /** The minimal run: its plan is overrides; machine, actors and schedule may be others than before. */
  readonly spec: RunSpec;
  readonly given: Readonly<Record<string, string | boolean>>;
  readonly result: ControlledResult;
  readonly before: Shrunk['before'];
  readonly replays: number;
  /** Schedules that were tried afresh, as too many preemptions were left. */
  readonly fresh: number;
  readonly certificate: Certificate;
  /** Milliseconds without the certificate, and with it. */
  readonly elapsedMs: { readonly shrinking: number; readonly all: number };
}

/** Schedules that are tried afresh at most, and where very many preemptions are left. */
const FRESH = 1_500;
const FRESH_IF_HOPELESS = 4_000;
const HOPELESS = 5;

/** @throws NotReproduced if the run does not fail */
export function shrinkFailure(options: ShrinkFailureOptions): ShrunkFailure {
  const began = performance.now();
  const { spec, given } = options;
  const runtime = runtimeOf(spec);
  const first = canonicalise(schedulerOf(runtime, spec), {
    runner: runtime,
    master: masterSeed(spec.seed),
    schedule: spec.schedule,
    signature: signatureOf(runtime.kvm),
  });
  const budget = new Budget(options.maxReplays);
  const place = placeOf(spec, runtime, { wanted: first.signature, budget });
  let failing: Failing = { spec, given, runtime, place, run: minimiseFirst(place, first) };
  const fresh = new Budget(failing.run.result.preemptions > HOPELESS ? FRESH_IF_HOPELESS : FRESH);
  if (!options.keepWorkload) failing = shrinkWorkload(searchAfresh(failing, fresh), options.scenario);
  const shrinking = performance.now() - began;
  const { run, certificate } = certify(failing.place, failing.run, options.maxCertificate);
  return {
    spec: { ...failing.spec, idle: run.idle, plan: { overrides: run.overrides } },
    given: failing.given,
    result: { ...run.result, schedule: failing.spec.schedule },
    before: beforeOf(first),
    replays: budget.used,
    fresh: fresh.used,
    certificate,
    elapsedMs: { shrinking, all: performance.now() - began },
  };
}
