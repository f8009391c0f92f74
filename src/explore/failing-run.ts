/** A failing run, and playing candidates of it again: what shrinking is made of. */
import type { Violation } from '../runtime/outcome.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { OverrideRecorder, OverrideScheduler, type Override } from './overrides.ts';
import type { Kept, Runner, RunResult } from './runner.ts';
import { SegmentRecorder, type Segment } from './segments.ts';

/** What makes two failures the same one. */
export type Signature = (violation: Violation) => string;

/** What a run goes without. */
export interface LeftOut {
  /** Actors that stay away. */
  readonly idle: ReadonlySet<number>;
  /** The only moves of actors that do not make all of theirs. */
  readonly kept: Kept;
}

/** A failing run as overrides on the base, with what was left out. */
export interface FailingRun extends LeftOut {
  readonly overrides: readonly Override[];
  /** Those of them that are preemptions; the others are switches that cost nothing. */
  readonly preempting: ReadonlySet<Override>;
  readonly result: RunResult;
}

/** Replays are counted across the stages; what is left of the budget is shared by them. */
export class Budget {
  used = 0;
  /** Steps of the replays. */
  steps = 0;
  readonly limit: number;
  private readonly whole: Budget | undefined;
  readonly maxSteps: number;

  /**
   * @param whole of which this is a part: it pays as well
   * @param maxSteps steps after which nothing is left, however many replays there were
   */
  constructor(limit: number, whole?: Budget, maxSteps = Infinity) {
    this.limit = limit;
    this.whole = whole;
    this.maxSteps = maxSteps;
  }

  /** Nothing is left. */
  get spent(): boolean {
    return this.used >= this.limit || this.steps >= this.maxSteps || this.whole?.spent === true;
  }

  /** Takes one; false if there is none left. */
  take(): boolean {
    if (this.spent || this.whole?.take() === false) return false;
    this.used++;
    return true;
  }

  /** The replay that was taken has made so many steps. */
  ran(steps: number): void {
    this.steps += steps;
    this.whole?.ran(steps);
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

/** A candidate that goes on for this much longer than the failure is cut off and passes: somebody waits in vain. */
const LONGER = 2;
const LONGER_STEPS = 500;

export const stepLimit = (steps: number): number => LONGER * steps + LONGER_STEPS;

/** Fewer preemptions first, then fewer overrides, then fewer steps. */
export function better(a: FailingRun, b: FailingRun): boolean {
  const difference =
    a.result.preemptions - b.result.preemptions ||
    a.overrides.length - b.overrides.length ||
    a.result.steps - b.result.steps;
  return difference < 0;
}

/** Runs a schedule with this left out; the result if it fails as wanted. */
function runAlike(
  { runner, master, schedule, signature, wanted, budget }: Workplace,
  scheduler: Scheduler,
  { idle, kept }: LeftOut,
): RunResult | undefined {
  runner.idle = idle;
  runner.kept = kept;
  const result = runner.run(scheduler, master, schedule);
  budget.ran(result.steps);
  const violation = result.violations[0];
  return violation !== undefined && signature(violation) === wanted ? result : undefined;
}

/** More switches than this are too many to follow, even if they cost nothing. */
const MANY_SWITCHES = 60;

/** Few preemptions and not too many switches: good enough to explain. */
export const isSimple = ({ result, overrides }: FailingRun, preemptions: number): boolean =>
  result.preemptions <= preemptions && overrides.length <= MANY_SWITCHES;

/** Like `better`, but what is simple comes before what is not. */
export function simpler(a: FailingRun, b: FailingRun, preemptions: number): boolean {
  const [first, second] = [isSimple(a, preemptions), isSimple(b, preemptions)];
  return first === second ? better(a, b) : first;
}

/** Plays overrides leniently; the run if it fails as wanted, with the overrides that were used. */
export function replayOverrides(
  place: Workplace,
  overrides: readonly Override[],
  { idle, kept }: LeftOut,
): FailingRun | undefined {
  const scheduler = new OverrideScheduler(overrides);
  const result = runAlike(place, scheduler, { idle, kept });
  if (result === undefined) return undefined;
  return { overrides: scheduler.used, preempting: scheduler.preempting, idle, kept, result };
}

/** Plays a schedule of any kind; the run if it fails as wanted. */
export function playSchedule(
  place: Workplace,
  scheduler: Scheduler,
  { idle, kept }: LeftOut,
): FailingRun | undefined {
  const overrides = new OverrideRecorder(scheduler);
  const result = runAlike(place, overrides, { idle, kept });
  if (result === undefined) return undefined;
  return { overrides: overrides.overrides, preempting: overrides.preempting, idle, kept, result };
}

/** Plays a schedule; the run if it fails as wanted, as overrides and as segments. */
export function playSegments(
  place: Workplace,
  scheduler: Scheduler,
  left: LeftOut,
): { readonly run: FailingRun; readonly segments: readonly Segment[] } | undefined {
  const segments = new SegmentRecorder(scheduler);
  const run = playSchedule(place, segments, left);
  return run === undefined ? undefined : { run, segments: segments.segments };
}

/** Which actors move in a run. */
export function moversOf({ runner, master, schedule }: Workplace, run: FailingRun): Set<number> {
  const moved = new Set<number>();
  const scheduler = new OverrideScheduler(run.overrides);
  runner.idle = run.idle;
  runner.kept = run.kept;
  runner.run(scheduler, master, schedule, { operation: (cpu) => void moved.add(cpu.actor) });
  return moved;
}
