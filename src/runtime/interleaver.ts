/**
 * Runs actors one step at a time in the order that a scheduler picks.
 *
 * The choice after a step is made inside of `cpu.stops()`, in the actor that has made it: an actor that is to go on goes on without
 * being suspended, which is what a step costs most (a generator is resumed through all that have called it).
 */
import type { PlainCpu, StepTaker } from '../cpu/plain-cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import type { Scheduler } from './scheduler.ts';

/** What a runner does between two steps. */
export interface Overseer {
  /** While true the scheduler is not asked and everybody gets a turn. */
  readonly fair: boolean;
  /** After each step; true ends the run. */
  stepped(): boolean;
  /** Actors are left and none can go on: the run ends. */
  deadlocked(actors: readonly (Steps<void> | undefined)[]): void;
  /** An actor threw, which ends it; throws again what is no finding. */
  threw(error: unknown, actor: number): void;
}

export class Interleaver implements StepTaker {
  /** Steps at which there was a choice. */
  decisions = 0;
  /** Times an actor was left that could have gone on and was not at a safepoint. */
  preemptions = 0;
  /** The actor that moves or moved last; -1 before the first step. */
  current = -1;
  private readonly cpus: readonly PlainCpu[];
  private readonly w: Int32Array;
  private readonly overseer: Overseer;
  private readonly enabled: Int32Array;
  private actors: (Steps<void> | undefined)[] = [];
  private scheduler!: Scheduler;
  private next = -1;
  /** The actor that is being suspended has chosen already. */
  private chosen = false;
  private over = false;

  constructor(cpus: readonly PlainCpu[], w: Int32Array, overseer: Overseer) {
    this.cpus = cpus;
    this.w = w;
    this.overseer = overseer;
    this.enabled = new Int32Array(cpus.length);
  }

  /** Runs the actors (undefined: stays away) to their end, or until the overseer ends it. */
  run(actors: (Steps<void> | undefined)[], scheduler: Scheduler): void {
    const { overseer } = this;
    this.actors = actors;
    this.scheduler = scheduler;
    this.decisions = 0;
    this.preemptions = 0;
    this.current = -1;
    this.over = false;
    let live = actors.reduce((count, actor) => (actor === undefined ? count : count + 1), 0);
    if (live > 0) this.choose();
    while (live > 0 && !this.over) {
      this.current = this.next;
      this.chosen = false;
      try {
        if (actors[this.current]!.next().done === true) {
          actors[this.current] = undefined;
          live--;
        }
      } catch (error) {
        overseer.threw(error, this.current);
      }
      if (this.chosen || this.over) continue;
      if (overseer.stepped()) break;
      if (live > 0) this.choose();
    }
  }

  leaves(): boolean {
    if (this.overseer.stepped()) {
      this.over = true;
      return true;
    }
    this.chosen = this.choose();
    return this.chosen;
  }

  /** Chooses who goes next; false if it is the one that moved last. */
  private choose(): boolean {
    const { cpus, w, enabled, actors, scheduler, current } = this;
    let count = 0;
    let currentEnabled = false;
    for (let i = 0; i < cpus.length; i++) {
      if (actors[i] === undefined) continue;
      const cpu = cpus[i]!;
      if (cpu.pendingOp === Op.Wait && w[cpu.pendingWord] === cpu.pendingExpected) continue;
      if (i === current) currentEnabled = true;
      enabled[count++] = i;
    }
    if (count === 0) {
      this.overseer.deadlocked(actors);
      this.over = true;
      return true;
    }
    const { fair } = this.overseer;
    let next = enabled[0]!;
    if (count > 1) {
      if (fair) next = takeTurns(enabled, count, current);
      else {
        next = scheduler.pick(enabled, count, current);
        this.decisions++;
      }
    }
    if (!fair && currentEnabled && next !== current && !cpus[current]!.atSafepoint) this.preemptions++;
    scheduler.step?.(next);
    this.next = next;
    return next !== current;
  }
}

/** The next actor after `current` that can go on, round by number. */
export function takeTurns(enabled: Int32Array, count: number, current: number): number {
  for (let i = 0; i < count; i++) if (enabled[i]! > current) return enabled[i]!;
  return enabled[0]!;
}
