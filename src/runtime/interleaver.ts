/**
 * Runs actors one step at a time in the order that a scheduler picks.
 *
 * To suspend an actor and to resume it is what a step costs most: a generator goes through all that have called it. So the choice
 * after a step is made inside of `cpu.stops()`, in the actor that has made it. An actor that is to go on goes on. If one with a
 * higher number is chosen, it is run from there, on top of the one that has made the step, which stays where it is without being
 * suspended; only an actor that makes room for one with a lower number is. The numbers on the stack increase, so that nobody is
 * on it twice, and whoever drives a pass (the first of the cast) is at its bottom, with the deepest calls.
 */
import type { Arena } from '../arena/arena.ts';
import { Boundary } from '../cpu/cpu.ts';
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
  /** Times an actor was left that could have gone on, neither at a safepoint nor between two moves. */
  preemptions = 0;
  /** The actor that moves or moved last; -1 before the first step. */
  current = -1;
  private readonly cpus: readonly PlainCpu[];
  private readonly arena: Arena;
  private readonly overseer: Overseer;
  private readonly enabled: Int32Array;
  private actors: (Steps<void> | undefined)[] = [];
  private scheduler!: Scheduler;
  private next = -1;
  /** The actor that is being suspended has chosen already. */
  private chosen = false;
  private over = false;
  /** Actors that have not ended. */
  private live = 0;

  constructor(cpus: readonly PlainCpu[], arena: Arena, overseer: Overseer) {
    this.cpus = cpus;
    this.arena = arena;
    this.overseer = overseer;
    this.enabled = new Int32Array(cpus.length);
  }

  /** Runs the actors (undefined: stays away) to their end, or until the overseer ends it. */
  run(actors: (Steps<void> | undefined)[], scheduler: Scheduler): void {
    this.actors = actors;
    this.scheduler = scheduler;
    this.decisions = 0;
    this.preemptions = 0;
    this.current = -1;
    this.over = false;
    this.live = actors.reduce((count, actor) => (actor === undefined ? count : count + 1), 0);
    if (this.live > 0) this.choose();
    this.runAbove(-1);
  }

  /** Runs actors with numbers above `below` until one that is not is chosen, or the run is over. */
  private runAbove(below: number): void {
    const { overseer, actors } = this;
    while (this.live > 0 && !this.over && this.next > below) {
      const { next } = this;
      this.current = next;
      this.chosen = false;
      try {
        if (actors[next]!.next().done === true) {
          actors[next] = undefined;
          this.live--;
        }
      } catch (error) {
        overseer.threw(error, this.current);
      }
      if (this.chosen || this.over) continue;
      if (overseer.stepped()) this.over = true;
      else if (this.live > 0) this.choose();
    }
  }

  leaves(): boolean {
    if (this.overseer.stepped()) {
      this.over = true;
      return true;
    }
    if (!this.choose()) return false;
    const { current } = this;
    this.runAbove(current);
    this.chosen = this.over || this.next !== current;
    if (!this.chosen) this.current = current;
    return this.chosen;
  }

  /** Chooses who goes next; false if it is the one that moved last. */
  private choose(): boolean {
    const { cpus, enabled, actors, scheduler, current } = this;
    const { w } = this.arena;
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
    if (!fair && currentEnabled && next !== current && cpus[current]!.boundary === Boundary.None)
      this.preemptions++;
    scheduler.step?.(next);
    this.next = next;
    this.arena.running = next;
    return next !== current;
  }
}

/** The next actor after `current` that can go on, round by number. */
export function takeTurns(enabled: Int32Array, count: number, current: number): number {
  for (let i = 0; i < count; i++) if (enabled[i]! > current) return enabled[i]!;
  return enabled[0]!;
}
