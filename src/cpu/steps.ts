/**
 * Actors are generators and visible operations are their yields (design 2.1).
 *
 * An actor announces an operation with `cpu.stops(op, word)`, yields if somebody else is to go first, and performs it:
 *
 *     if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
 *     const value = cpu.load(word);
 *
 * In the parallel runtime `stepped` is false and the generator runs through without suspending. `yield cpu.at(op, word)` announces
 * too and always suspends: the same to the schedule, only slower.
 */

/** An actor, or a part of one. */
export type Steps<T> = Generator<void, T, void>;

/** Kinds of visible operations. */
export const Op = {
  /** Not a memory operation: the start of an actor, or a point where it merely lets others run. */
  Pause: 0,
  Load: 1,
  Store: 2,
  Add: 3,
  Or: 4,
  And: 5,
  Exchange: 6,
  CompareExchange: 7,
  /** Blocks while the word holds the expected value. */
  Wait: 8,
  Load64: 9,
  Store64: 10,
  Exchange64: 11,
  CompareExchange64: 12,
  Or64: 13,
  Fence: 14,
} as const;
export type OpKind = (typeof Op)[keyof typeof Op];

/** Short names for traces. */
export const OP_NAMES = [
  'pause',
  'load',
  'store',
  'add',
  'or',
  'and',
  'xchg',
  'cmpxchg',
  'wait',
  'load64',
  'store64',
  'xchg64',
  'cmpxchg64',
  'or64',
  'fence',
] as const;

/** True for operations that change memory or may do so. */
export function isWrite(op: number): boolean {
  return op !== Op.Load && op !== Op.Load64 && op !== Op.Wait && op !== Op.Pause && op !== Op.Fence;
}

/** True for operations on an 8-byte entry: they cover the announced word and the one after it. */
export function is64(op: number): boolean {
  return op >= Op.Load64 && op <= Op.Or64;
}

/**
 * The dependency relation of visible operations: two operations of different actors commute unless they touch
 * the same 8-byte unit and one of them writes.
 */
export function dependent(opA: number, wordA: number, opB: number, wordB: number): boolean {
  if (opA === Op.Pause || opB === Op.Pause || opA === Op.Fence || opB === Op.Fence) return false;
  if (!isWrite(opA) && !isWrite(opB)) return false;
  if (is64(opA) || is64(opB)) return wordA >> 1 === wordB >> 1;
  return wordA === wordB;
}
