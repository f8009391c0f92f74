/**
 * Iterative preemption bounding (Musuvathi, Qadeer, PLDI 2007): all schedules with at most c preemptions, by re-execution.
 * Switches away from an actor that blocked or ended are free and are all tried; a switch away from one that could go on costs
 * one. At a safepoint the next in turn goes on, as in the base of overrides.ts, and anything else costs one (a delay, in the
 * words of Emmi, Qadeer, Rakamaric, POPL 2011), as does one between two moves of an actor: an actor that waits by coming back there again and again would otherwise have
 * no end of schedules, and one that does so often would make them too many.
 *
 * A schedule is the base of overrides.ts with some decisions replaced. Each is run once: what a run passes on its way after
 * its last replaced decision are the schedules with one more, kept for this bound if they cost nothing and for the next if they
 * cost a preemption. So nothing is run again when the bound is raised, and the number of schedules that wait is known. Nothing is
 * pruned, so that "exhausted" needs no argument about independence: with bounds, sleep sets would be unsound (explorer notes
 * 4.6).
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { OverrideRecorder, yieldingPick, type Override } from './overrides.ts';
import type { Runner, RunResult } from './runner.ts';

/** Schedules kept for later; some 20 bytes each. */
const MOST_KEPT = 8_000_000;

/** Schedules as a tree: a schedule is its parent's with one more decision replaced. */
class ScheduleTree {
  count = 1;
  private parent = new Int32Array(1024);
  private decision = new Int32Array(1024);
  private actor = new Int32Array(1024);

  constructor() {
    this.parent[0] = -1;
    this.decision[0] = -1;
  }

  add(parent: number, decision: number, actor: number): number {
    const id = this.count++;
    if (id === this.parent.length) {
      const double = (old: Int32Array): Int32Array<ArrayBuffer> => {
        const bigger = new Int32Array(old.length * 2);
        bigger.set(old);
        return bigger;
      };
      this.parent = double(this.parent);
      this.decision = double(this.decision);
      this.actor = double(this.actor);
    }
    this.parent[id] = parent;
    this.decision[id] = decision;
    this.actor[id] = actor;
    return id;
  }

  /** The replaced decisions, last first, as (decision, actor) pairs. */
  path(id: number, into: number[]): void {
    into.length = 0;
    for (let at = id; at > 0; at = this.parent[at]!) into.push(this.decision[at]!, this.actor[at]!);
  }
}

export class PreemptionBounding implements Scheduler {
  /** The bound being worked on: all schedules below it have been run. */
  bound = 0;
  schedules = 0;
  /** All schedules up to `most` preemptions were run. */
  exhausted = false;
  /** Too many schedules wait for the next bound; it cannot be taken on. */
  full = false;
  private readonly most: number;
  private readonly tree = new ScheduleTree();
  private now: number[] = [0];
  private later: number[] = [];
  private readonly path: number[] = [];
  private actors: readonly Cpu[] = [];
  private id = 0;
  private decision = 0;
  private left = 0;

  /** @param most preemptions of a schedule at most */
  constructor(most: number) {
    this.most = most;
  }

  /** Schedules known to wait under the present bound, and under the next. Each leads to itself and perhaps to more. */
  get waiting(): number {
    return this.now.length;
  }

  get waitingNext(): number {
    return this.later.length;
  }

  /** Makes the next run through `runner`; `wrap` may put a scheduler around this one. */
  next(runner: Runner, master: number, schedule: number, wrap: (inner: Scheduler) => Scheduler): RunResult {
    this.id = this.now.pop()!;
    this.tree.path(this.id, this.path);
    const result = runner.run(wrap(this), master, schedule);
    this.schedules++;
    if (this.now.length === 0) this.raise();
    return result;
  }

  private raise(): void {
    if (this.bound === this.most || this.later.length === 0) {
      // With nothing left to preempt, every schedule with more preemptions has been run, too.
      this.bound = this.most;
      this.exhausted = !this.full;
      return;
    }
    if (this.full) return;
    this.bound++;
    this.now = this.later;
    this.later = [];
  }

  begin(actors: readonly Cpu[]): void {
    this.actors = actors;
    this.decision = 0;
    this.left = this.path.length;
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    const { path, actors } = this;
    const at = this.decision++;
    const base = yieldingPick(actors, enabled, count, current);
    if (this.left > 0) {
      if (path[this.left - 2] !== at) return base;
      this.left -= 2;
      return path[this.left + 1]!;
    }
    const costs = costsPreemption(enabled, count, current);
    if (costs && this.bound === this.most) return base;
    for (let i = 0; i < count; i++) {
      const actor = enabled[i]!;
      if (actor === base) continue;
      if (this.tree.count >= MOST_KEPT) {
        this.full = true;
        continue;
      }
      const id = this.tree.add(this.id, at, actor);
      if (costs) this.later.push(id);
      else this.now.push(id);
    }
    return base;
  }
}

/** Does it cost a preemption not to take the base's choice? */
export function costsPreemption(enabled: Int32Array, count: number, current: number): boolean {
  for (let i = 0; i < count; i++) if (enabled[i] === current) return true;
  return false;
}

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

/** Runs all schedules with 0, then 1, ... preemptions, up to the bound or the budget. */
export function searchPreemptions(options: PreemptionSearchOptions): PreemptionBoundResult {
  const { runner, master, schedule } = options;
  if (options.preemptions < 0) return { exhausted: -1, schedules: 0, found: undefined };
  const search = new PreemptionBounding(options.preemptions);
  let found: readonly Override[] | undefined;
  while (!search.exhausted && !(search.full && search.waiting === 0)) {
    if (search.schedules >= options.maxSchedules) break;
    const { bound } = search;
    const recorder = new OverrideRecorder(search);
    const result = search.next(runner, master, schedule, () => recorder);
    if (options.fails(result)) {
      found = recorder.overrides;
      return { exhausted: bound - 1, schedules: search.schedules, found };
    }
    if (options.onRun?.(search.schedules, bound) === true) break;
  }
  return {
    exhausted: search.exhausted ? search.bound : search.bound - 1,
    schedules: search.schedules,
    found,
  };
}
