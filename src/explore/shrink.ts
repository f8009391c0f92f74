/**
 * Shrinking a failing schedule to few preemptions (explorer notes 4.9): truncate, canonicalise, group
 * stretches by actor (segments.ts), ddmin over the preemptions and then over all overrides, leave out whole actors, local search, and a certificate: a bounded search that no schedule with fewer preemptions fails
 * alike. "Fails alike" means the same check on the same kind of place; any other violation is a pass.
 *
 * A run ends at its violation, so that truncating needs no step of its own: overrides after it are never used. What makes
 * the workload smaller builds other machines and is in src/campaign/shrink-workload.ts, which calls `minimise` again.
 */
import { mix, Rng, Stream } from '../cpu/random.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { ddmin } from './ddmin.ts';
import { searchDepartures, type DepartureSearchResult } from './departure-search.ts';
import {
  better,
  Budget,
  moversOf,
  replayOverrides,
  stepLimit,
  type FailingRun,
  type Workplace,
} from './failing-run.ts';
import { OverrideRecorder, type Override } from './overrides.ts';
import { Shrinker } from './shrinker.ts';

export {
  Budget,
  replayOverrides,
  stepLimit,
  type FailingRun,
  type Signature,
  type Workplace,
} from './failing-run.ts';

export interface ShrinkOptions extends Omit<Workplace, 'wanted' | 'budget'> {
  /** Replays spent on ddmin, actors and the local search together. */
  readonly maxReplays: number;
  /** Schedules spent on the certificate. */
  readonly maxCertificate: number;
}

export interface Certificate {
  /** `minimal`: every schedule with fewer preemptions and at most as many departures from the base was tried and passes. */
  readonly verdict: 'minimal' | 'bound';
  /** All those with at most this many departures were tried; -1 if not even those without. */
  readonly exhausted: number;
  readonly schedules: number;
  /** Schedules among them that were cut off because they went on for much longer than the failure. */
  readonly cutOff: number;
}

export interface Shrunk extends FailingRun {
  readonly signature: string;
  /** Before: what the strategy's schedule was. */
  readonly before: { readonly overrides: number; readonly preemptions: number; readonly steps: number };
  readonly replays: number;
  readonly certificate: Certificate;
}

/** The failure does not show again: nothing can be shrunk. */
export class NotReproduced extends Error {
  override readonly name = 'NotReproduced';
}

/** Runs with few departures at random places that are tried before anything is left out. */
const FEW_TRIES = 40;
const MOST_DEPARTURES = 3;

/**
 * Schedules with few preemptions are poor at finding failures and best at explaining them (explorer notes 3.5): tries some
 * near the failure, with the same choices and workload, and starts from the first that fails alike.
 */
export function startWithFew(place: Workplace, first: FailingRun, ops: readonly number[]): FailingRun {
  if (first.result.preemptions <= 1) return first;
  const rng = new Rng(mix(place.master, place.schedule, Stream.shrink));
  const limit = place.runner.maxSteps;
  place.runner.maxSteps = Math.min(limit, stepLimit(first.result.steps));
  let found: FailingRun | undefined;
  for (let i = 0; i < FEW_TRIES && found === undefined && place.budget.take(); i++) {
    const count = i === 0 ? 0 : 1 + (i % MOST_DEPARTURES);
    const overrides = Array.from({ length: count }, (): Override => {
      const actor = rng.below(ops.length);
      return { actor, op: rng.below(ops[actor]! + 1), next: rng.below(ops.length) };
    }).filter(({ actor, next }) => actor !== next);
    found = replayOverrides(place, overrides, first);
  }
  place.runner.maxSteps = limit;
  return found !== undefined && better(found, first) ? found : first;
}

/** Makes the failing run of a strategy smaller. Half of the budget is left for the workload. */
export function minimiseFirst(
  place: Workplace,
  first: FailingRun & { readonly ops: readonly number[] },
): FailingRun {
  const start = startWithFew(place, first, first.ops);
  const half = new Budget(Math.ceil(place.budget.limit / 2) - place.budget.used, place.budget);
  return minimise({ ...place, budget: half }, start);
}

/**
 * Makes a failing run smaller: ddmin, whole actors, local search, until nothing helps or the budget ends.
 * @param thorough with the local search, which takes most of the replays
 */
export function minimise(place: Workplace, start: FailingRun, thorough = true): FailingRun {
  const { runner, budget } = place;
  const limit = runner.maxSteps;
  runner.maxSteps = Math.min(limit, stepLimit(start.result.steps));
  const shrinker = new Shrinker(place, start);
  const dropActors = (): boolean =>
    runner.cpus.some((_, actor) => runner.mayIdle(actor)) &&
    budget.take() &&
    shrinker.dropActors(moversOf(place, shrinker.best));
  const searched = thorough ? (): boolean => shrinker.localSearch(runner.cpus.length) : (): boolean => false;
  do {
    // Preemptions first: they are what a reader has to follow.
    while (shrinker.linearise() || shrinker.group() || shrinker.settle() || shrinker.dropPreemptions());
    ddmin(shrinker.best.overrides, shrinker.fails);
  } while (dropActors() || searched());
  runner.maxSteps = limit;
  return shrinker.best;
}

/** Makes it simpler without leaving anything out: fewer switches, and switches where they cost nothing. */
export function regroup(place: Workplace, start: FailingRun): FailingRun {
  const { runner } = place;
  const limit = runner.maxSteps;
  runner.maxSteps = Math.min(limit, stepLimit(start.result.steps));
  const shrinker = new Shrinker(place, start);
  while (shrinker.linearise() || shrinker.group() || shrinker.settle());
  runner.maxSteps = limit;
  return shrinker.best;
}

/** The failing run of a strategy's schedule, as overrides. @throws NotReproduced if that schedule does not fail */
export function canonicalise(
  strategy: Scheduler,
  { runner, master, schedule, signature }: Omit<Workplace, 'wanted' | 'budget'>,
): FailingRun & { readonly signature: string; readonly ops: readonly number[] } {
  const recorder = new OverrideRecorder(strategy);
  const ops = runner.cpus.map(() => 0);
  const result = runner.run(recorder, master, schedule, { operation: (cpu) => void ops[cpu.actor]!++ });
  const violation = result.violations[0];
  if (violation === undefined) throw new NotReproduced(`schedule ${schedule} does not fail`);
  const { overrides, preempting } = recorder;
  const { idle, kept } = runner;
  return { overrides, preempting, idle, kept, result, signature: signature(violation), ops };
}

/**
 * Searches all schedules with fewer preemptions than `start` has and at most as many departures from the base. What it finds is minimised and taken in its place.
 * @returns the run it ends with, and what was searched
 */
export function certify(
  place: Workplace,
  start: FailingRun,
  maxSchedules: number,
): { readonly run: FailingRun; readonly certificate: Certificate } {
  const { runner, master, schedule, signature, wanted } = place;
  let run = start;
  let searched: DepartureSearchResult = { exhausted: -1, schedules: 0, cutOff: 0, found: undefined };
  let found = true;
  while (found && run.result.preemptions > 0) {
    const limit = runner.maxSteps;
    runner.maxSteps = Math.min(limit, stepLimit(run.result.steps));
    runner.idle = run.idle;
    runner.kept = run.kept;
    const below = searchDepartures({
      runner,
      master,
      schedule,
      preemptions: run.result.preemptions - 1,
      departures: run.overrides.length,
      maxSchedules: maxSchedules - searched.schedules,
      fails: ({ violations }) => violations[0] !== undefined && signature(violations[0]) === wanted,
    });
    runner.maxSteps = limit;
    searched = {
      ...below,
      schedules: searched.schedules + below.schedules,
      cutOff: searched.cutOff + below.cutOff,
    };
    const better = below.found === undefined ? undefined : replayOverrides(place, below.found, run);
    found = better !== undefined;
    if (better !== undefined) run = minimise(place, better);
  }
  const minimal = run.result.preemptions === 0 || searched.exhausted >= run.overrides.length;
  const { exhausted, schedules, cutOff } = searched;
  return { run, certificate: { verdict: minimal ? 'minimal' : 'bound', exhausted, schedules, cutOff } };
}

/**
 * Shrinks the failure that `strategy` finds as schedule `options.schedule`, without changing the workload.
 * @throws NotReproduced if that schedule does not fail
 */
export function shrink(strategy: Scheduler, options: ShrinkOptions): Shrunk {
  const first = canonicalise(strategy, options);
  const place: Workplace = { ...options, wanted: first.signature, budget: new Budget(options.maxReplays) };
  const { run, certificate } = certify(place, minimiseFirst(place, first), options.maxCertificate);
  options.runner.idle = run.idle;
  options.runner.kept = run.kept;
  return {
    ...run,
    signature: first.signature,
    before: beforeOf(first),
    replays: place.budget.used,
    certificate,
  };
}

/** The figures of the run that shrinking starts from. */
export const beforeOf = ({ overrides, result }: FailingRun): Shrunk['before'] => ({
  overrides: overrides.length,
  preemptions: result.preemptions,
  steps: result.steps,
});
