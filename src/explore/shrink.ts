/**
 * Shrinking a failing schedule to few preemptions (explorer notes 4.9): truncate, canonicalise, ddmin over the overrides,
 * leave out whole actors, local search, and a certificate: a bounded search that no schedule with fewer preemptions fails
 * alike. "Fails alike" means the same check on the same kind of place; any other violation is a pass.
 *
 * A run ends at its violation, so that truncating needs no step of its own: overrides after it are never used. What makes
 * the workload smaller builds other machines and is in src/campaign/shrink-workload.ts, which calls `minimise` again.
 */
import { mix, Rng, Stream } from '../cpu/random.ts';
import type { Violation } from '../runtime/outcome.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { ddmin } from './ddmin.ts';
import { OverrideRecorder, OverrideScheduler, type Override } from './overrides.ts';
import { searchDepartures, type DepartureSearchResult } from './departure-search.ts';
import type { Runner, RunResult } from './runner.ts';

/** What makes two failures the same one. */
export type Signature = (violation: Violation) => string;

/** A failing run as overrides on the base, with the actors that stay away. */
export interface FailingRun {
  readonly overrides: readonly Override[];
  readonly idle: ReadonlySet<number>;
  readonly result: RunResult;
}

/** Replays are counted across the stages; what is left of the budget is shared by them. */
export class Budget {
  used = 0;
  readonly limit: number;
  private readonly whole: Budget | undefined;

  /** @param whole of which this is a part: it pays as well */
  constructor(limit: number, whole?: Budget) {
    this.limit = limit;
    this.whole = whole;
  }

  /** Nothing is left. */
  get spent(): boolean {
    return this.used >= this.limit || this.whole?.spent === true;
  }

  /** Takes one; false if there is none left. */
  take(): boolean {
    if (this.used >= this.limit || this.whole?.take() === false) return false;
    this.used++;
    return true;
  }
}

export interface Workplace {
  readonly runner: Runner;
  readonly master: number;
  /** The schedule's number: it seeds choices and workload, which stay as they are. */
  readonly schedule: number;
  readonly signature: Signature;
  /** The signature to keep. */
  readonly wanted: string;
  readonly budget: Budget;
}

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

/** A candidate that goes on for this much longer than the failure is cut off and passes: somebody waits in vain. */
const LONGER = 2;
const LONGER_STEPS = 500;

export const stepLimit = (steps: number): number => LONGER * steps + LONGER_STEPS;

/** Fewer preemptions first, then fewer overrides, then fewer steps. */
function better(a: FailingRun, b: FailingRun): boolean {
  const difference =
    a.result.preemptions - b.result.preemptions ||
    a.overrides.length - b.overrides.length ||
    a.result.steps - b.result.steps;
  return difference < 0;
}

class Shrinker {
  best: FailingRun;
  private readonly place: Workplace;
  private readonly seen = new Map<string, readonly Override[] | undefined>();

  constructor(place: Workplace, start: FailingRun) {
    this.place = place;
    this.best = start;
  }

  private key(overrides: readonly Override[], idle: ReadonlySet<number>): string {
    return `${[...idle].join(' ')}: ${overrides.map(({ actor, op, next }) => `${actor}.${op}.${next}`).join(' ')}`;
  }

  private readonly tryRun = (
    overrides: readonly Override[],
    idle: ReadonlySet<number>,
  ): readonly Override[] | undefined => {
    const key = this.key(overrides, idle);
    if (this.seen.has(key)) return this.seen.get(key);
    if (!this.place.budget.take()) return undefined;
    const run = replayOverrides(this.place, overrides, idle);
    this.seen.set(key, run?.overrides);
    if (
      run !== undefined &&
      (idle.size > this.best.idle.size ? !better(this.best, run) : better(run, this.best))
    )
      this.best = run;
    return run?.overrides;
  };

  /** Runs a candidate; what was used of it if it still fails. */
  readonly fails = (overrides: readonly Override[]): readonly Override[] | undefined =>
    this.tryRun(overrides, this.best.idle);

  /** Leaves out whole actors, the last first; those that did not move before the failure may stay. Returns true if it helped. */
  dropActors(moved: ReadonlySet<number>): boolean {
    const before = this.best;
    for (const actor of [...moved].sort((a, b) => b - a)) {
      const { overrides, idle } = this.best;
      const { cpus } = this.place.runner;
      if (idle.has(actor) || idle.size + 1 >= cpus.length || !this.place.runner.mayIdle(actor)) continue;
      this.tryRun(
        overrides.filter((one) => one.actor !== actor && one.next !== actor),
        new Set([...idle, actor]),
      );
    }
    return this.best !== before;
  }

  /** Tries to leave out pairs, to move each override by one operation, and to send it elsewhere. Returns true if it helped. */
  localSearch(actors: number): boolean {
    const before = this.best;
    const list = before.overrides;
    const improved = (): boolean => this.best !== before;
    // There are too many pairs of a long list to go through them all, even without running them.
    const { budget } = this.place;
    for (let i = 0; i < list.length && !budget.spent; i++) {
      for (let j = i + 1; j < list.length && !budget.spent; j++) {
        this.fails(list.filter((_, at) => at !== i && at !== j));
        if (improved()) return true;
      }
    }
    for (let i = 0; i < list.length && !budget.spent; i++) {
      const one = list[i]!;
      const rest = (changed: Override): Override[] => list.map((other, at) => (at === i ? changed : other));
      for (const shift of [-1, 1]) {
        if (one.op + shift >= 0) this.fails(rest({ ...one, op: one.op + shift }));
      }
      for (let next = 0; next < actors; next++) {
        if (next !== one.next && next !== one.actor) this.fails(rest({ ...one, next }));
      }
      if (improved()) return true;
    }
    return false;
  }
}

/** Plays overrides leniently; the run if it fails as wanted, with the overrides that were used. */
export function replayOverrides(
  { runner, master, schedule, signature, wanted }: Omit<Workplace, 'budget'>,
  overrides: readonly Override[],
  idle: ReadonlySet<number>,
): FailingRun | undefined {
  const scheduler = new OverrideScheduler(overrides);
  runner.idle = idle;
  const result = runner.run(scheduler, master, schedule);
  const violation = result.violations[0];
  if (violation === undefined || signature(violation) !== wanted) return undefined;
  return { overrides: scheduler.used, idle, result };
}

/** Which actors move in a run. */
function moversOf({ runner, master, schedule }: Workplace, run: FailingRun): Set<number> {
  const moved = new Set<number>();
  const scheduler = new OverrideScheduler(run.overrides);
  runner.idle = run.idle;
  runner.run(scheduler, master, schedule, { operation: (cpu) => void moved.add(cpu.actor) });
  return moved;
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
    found = replayOverrides(place, overrides, first.idle);
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

/** Makes a failing run smaller: ddmin, whole actors, local search, until nothing helps or the budget ends. */
export function minimise(place: Workplace, start: FailingRun): FailingRun {
  const { runner, budget } = place;
  const limit = runner.maxSteps;
  runner.maxSteps = Math.min(limit, stepLimit(start.result.steps));
  const shrinker = new Shrinker(place, start);
  const dropActors = (): boolean =>
    runner.cpus.some((_, actor) => runner.mayIdle(actor)) &&
    budget.take() &&
    shrinker.dropActors(moversOf(place, shrinker.best));
  do ddmin(shrinker.best.overrides, shrinker.fails);
  while (dropActors() || shrinker.localSearch(runner.cpus.length));
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
  return { overrides: recorder.overrides, idle: runner.idle, result, signature: signature(violation), ops };
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
    const better = below.found === undefined ? undefined : replayOverrides(place, below.found, run.idle);
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
