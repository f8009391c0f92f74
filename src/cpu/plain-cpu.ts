/**
 * The memory of the single-threaded runtimes: plain loads and stores, each hashed into the run's trace.
 * A performed operation must be the announced one; anything else is a defect of the model and is thrown.
 */
import type { Arena } from '../arena/arena.ts';
import { Boundary, Cpu, type CpuOptions } from './cpu.ts';
import { Op, OP_NAMES } from './steps.ts';

/** Receives operations as they happen, with their values; for traces and coverage. */
export interface OpListener {
  operation(cpu: Cpu, op: number, word: number, lo: number, hi: number): void;
}

/** Told about every operation of a run, cheaply: what coverage is made of (src/explore/coverage.ts). */
export interface RunCoverage {
  /** Begins a run. */
  begin(): void;
  /** `writes` is false for loads, waits and failed compare-exchanges. */
  operation(actor: number, op: number, word: number, writes: boolean): void;
  /** The run so far, as two 32-bit halves of its happens-before fingerprint. */
  readonly lo: number;
  readonly hi: number;
}

/** Says, after each step of an actor, whether it is suspended (src/runtime/interleaver.ts). */
export interface StepTaker {
  /** The actor that moves has announced its next operation; false if it goes on at once. */
  leaves(): boolean;
}

/** The bytes in hexadecimal: every run ends with a digest. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** What the actors of one run share: the trace hash and the step count. */
export class RunLog {
  /** Rolling hash of (actor, kind, word, value) of every visible operation (design 2.2). */
  hash = 0;
  /** Visible operations so far. */
  steps = 0;
  listener: OpListener | undefined;
  coverage: RunCoverage | undefined;
  /** Whoever makes the steps of the run; without one an actor is suspended before every operation. */
  taker: StepTaker | undefined;
  /** Called before a plain 64-bit store, which replaces a value without having read it. */
  plainStore64: ((cpu: Cpu, word: number, lo: number, hi: number) => void) | undefined;

  reset(): void {
    this.hash = 0x811c9dc5 | 0;
    this.steps = 0;
    this.coverage?.begin();
  }

  /** The hash as eight hexadecimal digits. */
  get digest(): string {
    const { hash } = this;
    return HEX[hash >>> 24]! + HEX[(hash >>> 16) & 255]! + HEX[(hash >>> 8) & 255]! + HEX[hash & 255]!;
  }
}

export class PlainCpu extends Cpu {
  readonly stepped: boolean;
  private readonly arena: Arena;
  private readonly w: Int32Array;
  private readonly run: RunLog;

  /** `stepped` false runs an actor straight through, as the boot does. */
  constructor(arena: Arena, run: RunLog, options: CpuOptions, stepped = true) {
    super(options);
    this.arena = arena;
    this.w = arena.w;
    this.run = run;
    this.stepped = stepped;
  }

  private note(op: number, word: number, lo: number, hi: number, writes: boolean): void {
    if (this.stepped) {
      if (this.pendingOp !== op || this.pendingWord !== word) this.mismatch(op, word);
      this.pendingOp = Op.Pause;
      this.boundary = Boundary.None;
    }
    const run = this.run;
    run.steps++;
    let h = Math.imul(run.hash ^ (this.actor * 16 + op), 0x85ebca6b);
    h = Math.imul((h ^ (h >>> 15)) + word, 0xc2b2ae35);
    h = Math.imul((h ^ (h >>> 13)) + lo, 0x27d4eb2f);
    run.hash = ((h ^ (h >>> 16)) + hi) | 0;
    if (run.coverage !== undefined) run.coverage.operation(this.actor, op, word, writes);
    if (run.listener !== undefined) run.listener.operation(this, op, word, lo, hi);
  }

  private mismatch(op: number, word: number): never {
    throw new Error(
      `${this.name} performed ${OP_NAMES[op]} of word ${word} but announced ${OP_NAMES[this.pendingOp]} of word ` +
        `${this.pendingWord}: a visible operation must be announced just before it happens`,
    );
  }

  override stops(op: number, word: number, expected = 0): boolean {
    this.pendingOp = op;
    this.pendingWord = word;
    this.pendingExpected = expected;
    const { taker } = this.run;
    return taker === undefined || taker.leaves();
  }

  load(word: number): number {
    const value = this.w[word]!;
    this.note(Op.Load, word, value, 0, false);
    return value;
  }

  store(word: number, value: number): void {
    this.arena.put(word, value);
    this.note(Op.Store, word, value, 0, true);
  }

  add(word: number, value: number): number {
    const old = this.w[word]!;
    this.arena.put(word, (old + value) | 0);
    this.note(Op.Add, word, old, value, true);
    return old;
  }

  or(word: number, value: number): number {
    const old = this.w[word]!;
    if ((old | value) !== old) this.arena.put(word, old | value);
    this.note(Op.Or, word, old, value, true);
    return old;
  }

  and(word: number, value: number): number {
    const old = this.w[word]!;
    if ((old & value) !== old) this.arena.put(word, old & value);
    this.note(Op.And, word, old, value, true);
    return old;
  }

  exchange(word: number, value: number): number {
    const old = this.w[word]!;
    this.arena.put(word, value);
    this.note(Op.Exchange, word, old, value, true);
    return old;
  }

  compareExchange(word: number, expected: number, value: number): number {
    const old = this.w[word]!;
    if (old === expected) this.arena.put(word, value);
    this.note(Op.CompareExchange, word, old, value, old === expected);
    return old;
  }

  load64(q: number): void {
    const word = q * 2;
    this.lo = this.w[word]!;
    this.hi = this.w[word + 1]!;
    this.note(Op.Load64, word, this.lo, this.hi, false);
  }

  store64(q: number, lo: number, hi: number): void {
    const word = q * 2;
    if (this.run.plainStore64 !== undefined) this.run.plainStore64(this, word, lo, hi);
    this.arena.put(word, lo);
    this.w[word + 1] = hi;
    this.note(Op.Store64, word, lo, hi, true);
  }

  exchange64(q: number, lo: number, hi: number): void {
    const word = q * 2;
    this.lo = this.w[word]!;
    this.hi = this.w[word + 1]!;
    this.arena.put(word, lo);
    this.w[word + 1] = hi;
    this.note(Op.Exchange64, word, this.lo ^ Math.imul(lo, 31), this.hi ^ Math.imul(hi, 31), true);
  }

  compareExchange64(q: number, expectedLo: number, expectedHi: number, lo: number, hi: number): boolean {
    const word = q * 2;
    this.lo = this.w[word]!;
    this.hi = this.w[word + 1]!;
    const equal = this.lo === expectedLo && this.hi === expectedHi;
    if (equal) {
      this.arena.put(word, lo);
      this.w[word + 1] = hi;
    }
    this.note(Op.CompareExchange64, word, this.lo ^ Math.imul(lo, 31), this.hi ^ Math.imul(hi, 31), equal);
    return equal;
  }

  or64(q: number, lo: number, hi: number): void {
    const word = q * 2;
    this.lo = this.w[word]!;
    this.hi = this.w[word + 1]!;
    this.arena.put(word, this.lo | lo);
    this.w[word + 1] = this.hi | hi;
    this.note(Op.Or64, word, this.lo ^ Math.imul(lo, 31), this.hi ^ Math.imul(hi, 31), true);
  }

  wait(word: number, expected: number): void {
    const value = this.w[word]!;
    if (value === expected) {
      throw new Error(
        this.stepped
          ? `${this.name} was resumed while word ${word} still holds ${expected}`
          : `${this.name} would block for ever on word ${word} while running alone`,
      );
    }
    this.note(Op.Wait, word, value, expected, false);
  }

  notify(): void {
    // The controlled runtime derives who may run from the words themselves.
  }

  safepoint(): void {
    // The scheduler can stop anybody anywhere; it only remembers that this is a place to do so.
    this.boundary = Boundary.Safepoint;
  }

  relax(): void {
    // Who goes next is the scheduler's to say.
  }

  now(): number {
    return this.run.steps;
  }
}
