/** A failing run, and playing candidates of it again: what shrinking is made of. */
import type { Violation } from '../runtime/outcome.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { OverrideRecorder, OverrideScheduler, type Override } from './overrides.ts';
import type { Runner, RunResult } from './runner.ts';
import { SegmentRecorder, type Segment } from './segments.ts';

/** What makes two failures the same one. */
export type Signature = (violation: Violation) => string;

/** A failing run as overrides on the base, with the actors that stay away. */
export interface FailingRun {
  readonly overrides: readonly Override[];
  /** Those of them that are preemptions; the others are switches that cost nothing. */
  readonly preempting: ReadonlySet<Override>;
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
  return { overrides: scheduler.used, preempting: scheduler.preempting, idle, result };
}

/** Plays a schedule; the run if it fails as wanted, as overrides and as segments. */
export function playSegments(
  { runner, master, schedule, signature, wanted }: Workplace,
  scheduler: Scheduler,
  idle: ReadonlySet<number>,
): { readonly run: FailingRun; readonly segments: readonly Segment[] } | undefined {
  const segments = new SegmentRecorder(scheduler);
  const overrides = new OverrideRecorder(segments);
  runner.idle = idle;
  const result = runner.run(overrides, master, schedule);
  const violation = result.violations[0];
  if (violation === undefined || signature(violation) !== wanted) return undefined;
  const run = { overrides: overrides.overrides, preempting: overrides.preempting, idle, result };
  return { run, segments: segments.segments };
}

/** Which actors move in a run. */
export function moversOf({ runner, master, schedule }: Workplace, run: FailingRun): Set<number> {
  const moved = new Set<number>();
  const scheduler = new OverrideScheduler(run.overrides);
  runner.idle = run.idle;
  runner.run(scheduler, master, schedule, { operation: (cpu) => void moved.add(cpu.actor) });
  return moved;
}
