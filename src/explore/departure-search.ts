/**
 * All schedules with few departures from the base of overrides: delay bounding (Emmi, Qadeer, Rakamaric, "Delay-Bounded
 * Scheduling", POPL 2011), with a bound on preemptions besides. What shrinking certifies with: its schedules are lists of departures.
 *
 * Bounding preemptions alone is no use there: an actor that comes to safepoints until the others are done has endlessly many
 * switches that cost nothing. Each run follows a prefix of decisions and then the base; the deepest decision with an untried
 * choice within the bounds is where the next run leaves it. Nothing is pruned.
 */
import { Boundary, type Cpu } from '../cpu/cpu.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { OverrideRecorder, yieldingPick, type Override } from './overrides.ts';
import type { Runner, RunResult } from './runner.ts';

export interface DepartureSearchOptions {
  readonly runner: Runner;
  readonly master: number;
  readonly schedule: number;
  /** Most preemptions of a schedule. */
  readonly preemptions: number;
  /** Most departures, free switches included. */
  readonly departures: number;
  readonly maxSchedules: number;
  readonly fails: (result: RunResult) => boolean;
}

export interface DepartureSearchResult {
  /** All schedules with at most this many departures were run and none fails; -1 if not even the base. */
  readonly exhausted: number;
  readonly schedules: number;
  /** Runs among them that were cut off at the runner's step limit: they count as passing. */
  readonly cutOff: number;
  /** A failing schedule; it has the fewest departures of all. */
  readonly found: readonly Override[] | undefined;
}

/** One decision of the run being varied. */
interface Node {
  readonly choices: Int32Array;
  /** Index into `choices` of what was taken; the base's choice comes first. */
  taken: number;
  /** Does leaving the base's choice cost a preemption here? */
  readonly costs: boolean;
}

/** Follows a stack of decisions and extends it by the base's. */
class DepthFirst implements Scheduler {
  readonly stack: Node[] = [];
  private depth = 0;
  private actors: readonly Cpu[] = [];

  begin(actors: readonly Cpu[]): void {
    this.actors = actors;
    this.depth = 0;
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    let node = this.stack[this.depth];
    if (node === undefined) {
      const base = yieldingPick(this.actors, enabled, count, current);
      const choices = Int32Array.from(enabled.subarray(0, count));
      choices.copyWithin(1, 0, choices.indexOf(base));
      choices[0] = base;
      node = {
        choices,
        taken: 0,
        costs: base === current && this.actors[current]!.boundary === Boundary.None,
      };
      this.stack.push(node);
    }
    this.depth++;
    return node.choices[node.taken]!;
  }

  /** Moves to the next untried run with at most `preemptions` and `departures`; false at the end. */
  next(preemptions: number, departures: number): boolean {
    const { stack } = this;
    let used = 0;
    let departed = 0;
    for (const node of stack) {
      if (node.taken > 0) departed++;
      if (node.costs && node.taken > 0) used++;
    }
    while (stack.length > 0) {
      const node = stack[stack.length - 1]!;
      if (node.taken > 0) departed--;
      if (node.costs && node.taken > 0) used--;
      const within = used + (node.costs ? 1 : 0) <= preemptions && departed + 1 <= departures;
      if (within && node.taken + 1 < node.choices.length) {
        node.taken++;
        return true;
      }
      stack.pop();
    }
    return false;
  }
}

/** Runs all schedules with 0, then 1, ... departures and at most the preemptions, up to the bound or the budget. */
export function searchDepartures(options: DepartureSearchOptions): DepartureSearchResult {
  const { runner, master, schedule, preemptions } = options;
  let schedules = 0;
  let cutOff = 0;
  for (let departures = 0; departures <= options.departures; departures++) {
    const search = new DepthFirst();
    for (let more = true; more; more = search.next(preemptions, departures)) {
      if (schedules >= options.maxSchedules)
        return { exhausted: departures - 1, schedules, cutOff, found: undefined };
      const recorder = new OverrideRecorder(search);
      const result = runner.run(recorder, master, schedule);
      schedules++;
      if (result.truncated) cutOff++;
      if (options.fails(result))
        return { exhausted: departures - 1, schedules, cutOff, found: recorder.overrides };
    }
  }
  return { exhausted: options.departures, schedules, cutOff, found: undefined };
}
