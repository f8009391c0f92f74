/**
 * Small programs of generators over a tracked arena, under a scheduler or by hand: for everything that needs no more of
 * the controlled runtime than "one actor makes one step".
 */
import { Arena } from '../../src/arena/arena.ts';
import { computeLayout, type ArenaDims } from '../../src/arena/layout.ts';
import { PlainCpu, RunLog, type OpListener } from '../../src/cpu/plain-cpu.ts';
import { mix, Stream } from '../../src/cpu/random.ts';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import type { Scheduler } from '../../src/runtime/scheduler.ts';

/** Dimensions of an arena in which nothing but a few words matters. */
export const FEW_WORDS: ArenaDims = {
  tableBits: 2,
  vcpus: 1,
  shards: 1,
  actors: 1,
  hashBits: 1,
  tables: 2,
  shadowInfos: 1,
  descs: 1,
  slots: [],
  pfns: 64,
  guestTables: 1,
  tlbBits: 0,
  caches: { objects: 2, splitDesc: 2 },
};

/** A tracked arena with 64 free words, and the first of them (even, so that 64-bit entries can be made of pairs). */
export function fewWords(): { readonly arena: Arena; readonly base: number } {
  const layout = computeLayout(FEW_WORDS);
  return { arena: Arena.tracked(layout), base: layout.memory };
}

export type Body = (cpu: PlainCpu) => Steps<void>;

/** The actors of one run, each standing before its next visible operation. */
export class Stage {
  readonly arena: Arena;
  readonly cpus: readonly PlainCpu[];
  readonly log = new RunLog();
  private readonly actors: (Steps<void> | undefined)[];

  constructor(arena: Arena, bodies: readonly Body[], seed = 1) {
    this.arena = arena;
    this.log.reset();
    this.cpus = bodies.map(
      (_, actor) => new PlainCpu(arena, this.log, { actor, name: `actor ${actor}`, cls: 'other' }),
    );
    this.cpus.forEach((cpu, actor) => cpu.choices.seed(mix(seed, 0, Stream.choice, actor)));
    this.actors = bodies.map((body, actor) => body(this.cpus[actor]!));
  }

  done(actor: number): boolean {
    return this.actors[actor] === undefined;
  }

  /** True if the actor waits for a word to change. */
  blocked(actor: number): boolean {
    const cpu = this.cpus[actor]!;
    return (
      !this.done(actor) && cpu.pendingOp === Op.Wait && this.arena.w[cpu.pendingWord] === cpu.pendingExpected
    );
  }

  canGoOn(actor: number): boolean {
    return !this.done(actor) && !this.blocked(actor);
  }

  step(actor: number): void {
    if (!this.canGoOn(actor)) throw new Error(`actor ${actor} cannot go on`);
    if (this.actors[actor]!.next().done === true) this.actors[actor] = undefined;
  }

  /** Steps one actor until the condition holds; it must not end or block before. */
  runUntil(actor: number, condition: () => boolean): void {
    for (let steps = 0; !condition(); steps++) {
      if (steps > 100_000) throw new Error(`actor ${actor} does not get there`);
      this.step(actor);
    }
  }

  /** Steps one actor until it waits; it must not end before. */
  runUntilBlocked(actor: number): void {
    this.runUntil(actor, () => this.blocked(actor));
  }

  /** Steps one actor to its end; it must not block. */
  finish(actor: number): void {
    this.runUntil(actor, () => this.done(actor));
  }

  /** Always steps the first actor that can go on. Returns those that are left, blocked for good. */
  finishAll(): number[] {
    for (;;) {
      const next = this.actors.findIndex((_, actor) => this.canGoOn(actor));
      if (next === -1) return this.actors.flatMap((actor, index) => (actor === undefined ? [] : [index]));
      this.step(next);
    }
  }
}

export interface ProgramResult {
  readonly hash: string;
  readonly steps: number;
  /** Actors that wait for ever. */
  readonly stuck: readonly number[];
}

/** Runs actors from the arena's present contents, as often as wanted. */
export class Program {
  private readonly arena: Arena;
  private readonly bodies: readonly Body[];
  private readonly enabled: Int32Array;

  constructor(arena: Arena, bodies: readonly Body[]) {
    this.arena = arena;
    this.bodies = bodies;
    this.enabled = new Int32Array(bodies.length);
    arena.takeBootImage();
  }

  run(scheduler: Scheduler, schedule = 0, listener?: OpListener): ProgramResult {
    const { arena, bodies, enabled } = this;
    arena.reset();
    const stage = new Stage(arena, bodies, schedule);
    stage.log.listener = listener;
    scheduler.begin(stage.cpus, schedule);
    let current = -1;
    for (;;) {
      let count = 0;
      for (let actor = 0; actor < bodies.length; actor++) if (stage.canGoOn(actor)) enabled[count++] = actor;
      if (count === 0) break;
      current = count === 1 ? enabled[0]! : scheduler.pick(enabled, count, current);
      stage.step(current);
      if (stage.log.steps > 1_000_000) throw new Error('the program does not end');
    }
    const stuck = bodies.flatMap((_, actor) => (stage.done(actor) ? [] : [actor]));
    return { hash: stage.log.digest, steps: stage.log.steps, stuck };
  }

  /** Runs a schedule twice and refuses a run that is not a function of its inputs. */
  runTwice(scheduler: Scheduler, schedule = 0): ProgramResult {
    const first = this.run(scheduler, schedule);
    const second = this.run(scheduler, schedule);
    if (first.hash !== second.hash || first.steps !== second.steps) {
      throw new Error(
        `schedule ${schedule}: ${first.hash} after ${first.steps} steps, then ${second.hash} after ${second.steps}`,
      );
    }
    return second;
  }
}

/** Does a staged scene twice and hands out what the second one returned, if both hashes are equal. */
export function twice<T>(scene: () => { readonly stage: Stage; readonly result: T }): T {
  const first = scene();
  const second = scene();
  if (first.stage.log.digest !== second.stage.log.digest)
    throw new Error('the scene differs from run to run');
  return second.result;
}
