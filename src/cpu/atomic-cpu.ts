/**
 * The memory of the parallel runtime: Atomics over the shared arena, blocking by Atomics.wait, and the safepoints at
 * which the coordinator can stop the world.
 *
 * The protocol is the one managed runtimes use: an actor that blocks outside `mmu_lock` counts as stopped, and after
 * waking it says that it runs *before* it looks at the stop word, so it can never slip past a stop it was counted for.
 */
import type { Arena } from '../arena/arena.ts';
import { Cpu, HELD_MMU_READ, HELD_MMU_WRITE, type CpuOptions } from './cpu.ts';

/** Offsets in the control words. */
export const CONTROL = {
  /** Not 0: actors park at their next safepoint. */
  stop: 0,
  /** Actors give up: ABORT_SOFT wherever they hold no `mmu_lock`, ABORT_HARD wherever they wait. */
  abort: 1,
  /** Threads that are ready to begin. */
  ready: 2,
} as const;

export const ABORT_SOFT = 1;
export const ABORT_HARD = 2;

/** Offsets in an actor's row. */
export const ACTOR = {
  state: 0,
  /** Word the actor waits on plus one, 0 while it runs. */
  waitingOn: 1,
  /** Bits of Cpu.held while it waits. */
  held: 2,
} as const;

export const ACTOR_IDLE = 0;
export const ACTOR_RUNNING = 1;
export const ACTOR_PARKED = 2;
export const ACTOR_WAITING = 3;
/** Blocked inside `mmu_lock`, as while waiting for flush acknowledgements: not a stopped state. */
export const ACTOR_WAITING_LOCKED = 4;
export const ACTOR_DONE = 5;

/** Thrown out of an actor when the coordinator ends the run before the actor is done. */
export class ActorAborted extends Error {
  override readonly name = 'ActorAborted';
}

export interface AtomicCpuOptions extends CpuOptions {
  /** First word of the control block and of the actor's row. */
  readonly control: number;
  readonly row: number;
  /** Monotonic clock in nanoseconds. */
  readonly clock: () => number;
  /** More threads than cores: a thread that waits may have to be scheduled before it can go on. */
  readonly sharesCores: boolean;
  /** Polls of a word before sleeping; 0 on a machine with one core. */
  readonly spins: number;
}

/** An Atomics.wait is cut into pieces this long so that an abort is noticed, in milliseconds. */
const WAIT_SLICE_MS = 50;
/** How long `relax` lets others have the processor at most, in milliseconds. */
const RELAX_MS = 0.2;

export class AtomicCpu extends Cpu {
  readonly stepped = false;
  private readonly w: Int32Array;
  private readonly q: BigInt64Array;
  private readonly options: AtomicCpuOptions;
  /** One entry in private memory: halves become a bigint and back there, a third of the price of shifting bigints. */
  private readonly halves = new Int32Array(2);
  private readonly whole = new BigInt64Array(this.halves.buffer);

  constructor(arena: Arena, options: AtomicCpuOptions) {
    super(options);
    this.w = arena.w;
    this.q = arena.q;
    this.options = options;
  }

  load(word: number): number {
    return Atomics.load(this.w, word);
  }

  store(word: number, value: number): void {
    Atomics.store(this.w, word, value);
  }

  add(word: number, value: number): number {
    return Atomics.add(this.w, word, value);
  }

  or(word: number, value: number): number {
    return Atomics.or(this.w, word, value);
  }

  and(word: number, value: number): number {
    return Atomics.and(this.w, word, value);
  }

  exchange(word: number, value: number): number {
    return Atomics.exchange(this.w, word, value);
  }

  compareExchange(word: number, expected: number, value: number): number {
    return Atomics.compareExchange(this.w, word, expected, value);
  }

  private join(lo: number, hi: number): bigint {
    this.halves[0] = lo;
    this.halves[1] = hi;
    return this.whole[0]!;
  }

  private split(value: bigint): void {
    this.whole[0] = value;
    this.lo = this.halves[0]!;
    this.hi = this.halves[1]!;
  }

  load64(q: number): void {
    this.split(Atomics.load(this.q, q));
  }

  store64(q: number, lo: number, hi: number): void {
    Atomics.store(this.q, q, this.join(lo, hi));
  }

  exchange64(q: number, lo: number, hi: number): void {
    this.split(Atomics.exchange(this.q, q, this.join(lo, hi)));
  }

  compareExchange64(q: number, expectedLo: number, expectedHi: number, lo: number, hi: number): boolean {
    const expected = this.join(expectedLo, expectedHi);
    this.split(Atomics.compareExchange(this.q, q, expected, this.join(lo, hi)));
    return this.lo === expectedLo && this.hi === expectedHi;
  }

  or64(q: number, lo: number, hi: number): void {
    this.split(Atomics.or(this.q, q, this.join(lo, hi)));
  }

  wait(word: number, expected: number): void {
    const { w, options } = this;
    for (let i = 0; i < options.spins; i++) {
      if (Atomics.load(w, word) !== expected) return;
    }
    const { row } = options;
    const locked = (this.held & (HELD_MMU_WRITE | HELD_MMU_READ)) !== 0;
    Atomics.store(w, row + ACTOR.waitingOn, word + 1);
    Atomics.store(w, row + ACTOR.held, this.held);
    Atomics.store(w, row + ACTOR.state, locked ? ACTOR_WAITING_LOCKED : ACTOR_WAITING);
    while (Atomics.wait(w, word, expected, WAIT_SLICE_MS) === 'timed-out') {
      this.checkAbort(locked ? ABORT_HARD : ABORT_SOFT);
    }
    Atomics.store(w, row + ACTOR.state, ACTOR_RUNNING);
    Atomics.store(w, row + ACTOR.waitingOn, 0);
    if (!locked) this.safepoint();
  }

  notify(word: number): void {
    Atomics.notify(this.w, word);
  }

  safepoint(): void {
    const { w, options } = this;
    const stop = options.control + CONTROL.stop;
    this.checkAbort(ABORT_SOFT);
    while (Atomics.load(w, stop) !== 0) {
      Atomics.store(w, options.row + ACTOR.state, ACTOR_PARKED);
      Atomics.wait(w, stop, 1, WAIT_SLICE_MS);
      Atomics.store(w, options.row + ACTOR.state, ACTOR_RUNNING);
      this.checkAbort(ABORT_SOFT);
    }
  }

  relax(word: number): void {
    const value = Atomics.load(this.w, word);
    for (let i = 0; i < this.options.spins; i++) if (Atomics.load(this.w, word) !== value) return;
    if (this.options.sharesCores) Atomics.wait(this.w, word, value, RELAX_MS);
  }

  /** Nobody begins before all `actors` are there: a thread takes longer to start than a small migration to end. */
  awaitOthers(actors: number): void {
    const { w } = this;
    const word = this.options.control + CONTROL.ready;
    Atomics.add(w, word, 1);
    Atomics.notify(w, word);
    for (;;) {
      const ready = Atomics.load(w, word);
      if (ready >= actors) return;
      this.checkAbort(ABORT_SOFT);
      Atomics.wait(w, word, ready, WAIT_SLICE_MS);
    }
  }

  private checkAbort(from: number): void {
    if (Atomics.load(this.w, this.options.control + CONTROL.abort) >= from) {
      throw new ActorAborted(`${this.name} was told to give up`);
    }
  }

  /** The actor's generator begins or has ended. */
  setState(state: number): void {
    Atomics.store(this.w, this.options.row + ACTOR.state, state);
  }

  now(): number {
    return this.options.clock();
  }
}
