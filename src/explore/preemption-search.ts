/**
 * Iterative preemption bounding (Musuvathi, Qadeer, PLDI 2007): all schedules with at most c preemptions, by re-execution.
 * Switches away from an actor that blocked or ended are free and are all tried; a switch away from one that could go on
 * costs one.
 *
 * Each run follows a prefix of decisions and then the base that never preempts; the deepest decision with an untried choice
 * within the bound is where the next run leaves it. Nothing is pruned, so that "exhausted" needs no argument about
 * independence: with bounds, sleep sets would be unsound (explorer notes 4.6).
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { basePick, OverrideRecorder, type Override } from './overrides.ts';
import type { Runner, RunResult } from './runner.ts';

export interface PreemptionSearchOptions {
  readonly runner: Runner;
  readonly master: number;
  readonly schedule: number;
  /** Most preemptions of a schedule. */
  readonly preemptions: number;
  readonly maxSchedules: number;
  readonly fails: (result: RunResult) => boolean;
  /** Called after each run; true ends the search. */
  readonly onRun?: (schedules: number, bound: number) => boolean;
}

export interface PreemptionBoundResult {
  /** All schedules with at most this many preemptions were run and none fails; -1 if not even those without. */
  readonly exhausted: number;
  readonly schedules: number;
  /** A failing schedule, as overrides; it has the fewest preemptions of all. */
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

  begin(_actors: readonly Cpu[]): void {
    this.depth = 0;
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    let node = this.stack[this.depth];
    if (node === undefined) {
      const base = basePick(enabled, count, current);
      const choices = Int32Array.from(enabled.subarray(0, count));
      choices.copyWithin(1, 0, choices.indexOf(base));
      choices[0] = base;
      node = { choices, taken: 0, costs: base === current };
      this.stack.push(node);
    }
    this.depth++;
    return node.choices[node.taken]!;
  }

  /** Moves to the next untried run with at most `bound` preemptions, all of them if `exact` is false; false at the end. */
  next(bound: number): boolean {
    const { stack } = this;
    let used = 0;
    for (const node of stack) if (node.costs && node.taken > 0) used++;
    while (stack.length > 0) {
      const node = stack[stack.length - 1]!;
      const usedBefore = used - (node.costs && node.taken > 0 ? 1 : 0);
      if (node.taken + 1 < node.choices.length && usedBefore + (node.costs ? 1 : 0) <= bound) {
        node.taken++;
        return true;
      }
      used = usedBefore;
      stack.pop();
    }
    return false;
  }
}

/** Runs all schedules with 0, then 1, ... preemptions, up to the bound or the budget. */
export function searchPreemptions(options: PreemptionSearchOptions): PreemptionBoundResult {
  const { runner, master, schedule } = options;
  let schedules = 0;
  let exhausted = -1;
  for (let bound = 0; bound <= options.preemptions; bound++) {
    const search = new DepthFirst();
    for (;;) {
      if (schedules >= options.maxSchedules) return { exhausted, schedules, found: undefined };
      const recorder = new OverrideRecorder(search);
      const result = runner.run(recorder, master, schedule);
      schedules++;
      if (options.fails(result)) return { exhausted, schedules, found: recorder.overrides };
      if (options.onRun?.(schedules, bound) === true) return { exhausted, schedules, found: undefined };
      if (!search.next(bound)) break;
    }
    exhausted = bound;
  }
  return { exhausted, schedules, found: undefined };
}
