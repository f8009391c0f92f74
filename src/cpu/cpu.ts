/**
 * What an actor runs on: its visible operations, its one way to block and its one source of choice (design 2.1).
 * There is no runtime in here; src/cpu/plain-cpu.ts and src/cpu/atomic-cpu.ts are the two memories.
 */
import { COUNTER_ROW } from './counters.ts';
import { ofMove, Rng } from './random.ts';
import { Op } from './steps.ts';

/** Classes of actors, for statistics. */
export const ACTOR_CLASSES = [
  'dirty-log',
  'splitter',
  'migration',
  'l2-vcpu',
  'l1-vcpu',
  'host',
  'mmu-worker',
  'other',
] as const;
export type ActorClass = (typeof ACTOR_CLASSES)[number];

/** Told about locks as they are taken and dropped. The default ignores it. */
export interface LockProbe {
  /** The lock was not free: the actor is about to queue up. */
  contended?(cpu: Cpu, lock: number): void;
  /** The lock was free only after `wait` time units; 0 and `contended` false when it was free at once. */
  acquired(cpu: Cpu, lock: number, write: boolean, contended: boolean, wait: number): void;
  released(cpu: Cpu, lock: number, write: boolean, hold: number): void;
}

/** Bits of `Cpu.held`. */
export const HELD_MMU_WRITE = 1;
export const HELD_MMU_READ = 2;
export const HELD_SLOTS = 4;
export const HELD_SLOTS_ARCH = 8;
export const HELD_TDP_PAGES = 16;
export const HELD_UNSYNC_PAGES = 32;
export const HELD_RCU = 64;
export const HELD_HOST = 128;

export interface CpuOptions {
  /** Index of the actor, unique in its machine; also its tie-break everywhere. */
  readonly actor: number;
  readonly name: string;
  readonly cls: ActorClass;
  /** The actor's own row of counters; a private one if absent. */
  readonly counters?: Float64Array;
}

/** Places between two operations of an actor. */
export const Boundary = { None: 0, Move: 1, Safepoint: 2 } as const;

export abstract class Cpu {
  readonly actor: number;
  readonly name: string;
  readonly cls: ActorClass;
  readonly counters: Float64Array;
  /** True if the actor must announce and yield before every visible operation. */
  abstract readonly stepped: boolean;

  /** The announced operation, its word, and for `Op.Wait` the value that blocks. */
  pendingOp: number = Op.Pause;
  pendingWord = 0;
  pendingExpected = 0;

  /** Result of the last 64-bit operation. */
  lo = 0;
  hi = 0;

  /**
   * Where the actor has come to since its last operation. At a safepoint it could be scheduled out in the kernel too, and between two of
   * its moves it is in the middle of nothing: going on with another actor is no preemption there, just as a switch at a
   * `yield` is no interference (Yi, Sadowski, Flanagan, "Cooperative Reasoning for Preemptive Execution", PPoPP 2011). Kept by the single-threaded runtimes.
   */
  boundary: number = Boundary.None;

  /** Locks held, as HELD_ bits; what a lockdep assertion looks at. */
  held = 0;
  /** kvm_get_running_vcpu(): the vCPU that this thread runs, or -1. */
  runningVcpu = -1;
  /** How often this actor has released `mmu_lock`: references taken earlier are stale after it moves (D4). */
  mmuReleases = 0;
  /** When the write hold of each lock began, in the units of `now()`. */
  readonly holdStart: [number, number] = [0, 0];
  probe: LockProbe | undefined;

  /** Everything that is not scheduling and not workload data. */
  readonly choices = new Rng(1);
  /** The actor's workload. */
  readonly workload = new Rng(2);
  /** The move that the actor is making, by number from 0; -1 before the first, and for actors that make none. */
  move = -1;
  /** What that move is, for traces; empty where its operations say it. */
  doing = '';
  /** Numbers of the only moves it makes, in increasing order; undefined: all. */
  kept: readonly number[] | undefined;
  private keptAt = 0;
  private choiceSeed = 1;
  private workloadSeed = 2;

  constructor(options: CpuOptions) {
    this.actor = options.actor;
    this.name = options.name;
    this.cls = options.cls;
    this.counters = options.counters ?? new Float64Array(COUNTER_ROW);
  }

  get atSafepoint(): boolean {
    return this.boundary === Boundary.Safepoint;
  }

  /** Announces the next visible operation; the caller yields the result. */
  at(op: number, word: number, expected = 0): void {
    this.pendingOp = op;
    this.pendingWord = word;
    this.pendingExpected = expected;
  }

  /** Announces the next visible operation; true if somebody else goes first: then the caller yields. */
  stops(op: number, word: number, expected = 0): boolean {
    this.at(op, word, expected);
    return true;
  }

  /** Starts the streams of a run; its moves begin anew. */
  seed(choices: number, workload: number): void {
    this.choiceSeed = choices;
    this.workloadSeed = workload;
    this.choices.seed(choices);
    this.workload.seed(workload);
    this.move = -1;
    this.doing = '';
    this.keptAt = 0;
    this.boundary = Boundary.None;
  }

  /**
   * Begins the next move: an access of a guest, an edit of L1, a round of a member of the cast. Each has streams of its own, made from the
   * actor's and the move's number, so that leaving one out changes nothing about what the others draw.
   * @param most moves that the actor makes; 0: any number
   * @returns false if there is no further move
   */
  nextMove(most: number): boolean {
    const { kept } = this;
    const move = kept === undefined ? this.move + 1 : (kept[this.keptAt++] ?? Infinity);
    if (move === Infinity || (most > 0 && move >= most)) return false;
    this.move = move;
    this.doing = '';
    this.betweenMoves();
    this.choices.seed(ofMove(this.choiceSeed, move));
    this.workload.seed(ofMove(this.workloadSeed, move));
    return true;
  }

  /** The actor is in the middle of nothing: it has made a move and not begun another. Not a visible operation. */
  betweenMoves(): void {
    if (this.boundary === Boundary.None) this.boundary = Boundary.Move;
  }

  /** A choice among 0..n-1. */
  choose(n: number): number {
    return n <= 1 ? 0 : this.choices.below(n);
  }

  /** True with probability `p`; draws nothing when `p` is 0, so that a disabled fault costs no randomness. */
  chance(p: number): boolean {
    return p > 0 && this.choices.chance(p);
  }

  count(counter: number, by = 1): void {
    this.counters[counter]! += by;
  }

  abstract load(word: number): number;
  abstract store(word: number, value: number): void;
  /** Returns the value before, as `or`, `and` and `exchange` do. */
  abstract add(word: number, value: number): number;
  abstract or(word: number, value: number): number;
  abstract and(word: number, value: number): number;
  abstract exchange(word: number, value: number): number;
  /** Returns the value before: the exchange happened iff it equals `expected`. */
  abstract compareExchange(word: number, expected: number, value: number): number;

  /** 64-bit operations on entry `q` (8-byte index); the value read is left in `lo` and `hi`. */
  abstract load64(q: number): void;
  abstract store64(q: number, lo: number, hi: number): void;
  abstract exchange64(q: number, lo: number, hi: number): void;
  /** True if the entry held (expectedLo, expectedHi) and was replaced. */
  abstract compareExchange64(
    q: number,
    expectedLo: number,
    expectedHi: number,
    lo: number,
    hi: number,
  ): boolean;
  abstract or64(q: number, lo: number, hi: number): void;

  /** Blocks while `word` holds `expected`; may return early, so callers loop. */
  abstract wait(word: number, expected: number): void;
  /** Wakes those who wait on `word`. */
  abstract notify(word: number): void;

  /**
   * A place where the actor holds no `mmu_lock` and may be stopped so that the world can be inspected, or told to end.
   * Not a visible operation; only the parallel runtime acts on it.
   */
  abstract safepoint(): void;

  /**
   * cpu_relax() between dropping a contended lock and asking for it again. On a machine with a core per thread the
   * waiter is spinning and takes the lock at once; where threads share cores it may first have to be scheduled.
   * Not a visible operation: returns when `word` changes or after a moment.
   */
  abstract relax(word: number): void;

  /** Now, in the runtime's own unit: steps, or nanoseconds. */
  abstract now(): number;
}
