/** Happens-before in one recorded run: which operations are ordered only by accident, and what an operation rests on. */
import { dependent, is64, isWrite, Op } from '../cpu/steps.ts';

/** One operation of a recorded run. */
export interface RunOp {
  readonly actor: number;
  readonly op: number;
  readonly word: number;
  /** It changed its word. */
  readonly changed: boolean;
}

/** Two operations, by their places in the run, the earlier one first. */
export interface OpPair {
  readonly first: number;
  readonly second: number;
}

const waits = (op: number): boolean => op === Op.Pause || op === Op.Fence;

/**
 * Pairs of dependent operations of different actors that no third operation orders: swapping them gives another behaviour.
 * In the order of their second operation.
 */
export function races(ops: readonly RunOp[], actors: number): OpPair[] {
  const clocks = Array.from({ length: actors }, () => new Int32Array(actors).fill(-1));
  const at: Int32Array[] = [];
  const byUnit = new Map<number, number[]>();
  const pairs: OpPair[] = [];
  ops.forEach(({ actor, op, word }, second) => {
    const clock = clocks[actor]!;
    const earlier = byUnit.get(word >> 1) ?? [];
    const before = clock.slice();
    // From the latest on: what an already joined one knows of is ordered by it.
    for (let k = earlier.length - 1; k >= 0; k--) {
      const first = earlier[k]!;
      const other = ops[first]!;
      if (waits(op) || !dependent(other.op, other.word, op, word)) continue;
      if (other.actor !== actor && before[other.actor]! < first && clock[other.actor]! < first)
        pairs.push({ first, second });
      join(clock, at[first]!);
      if (isWrite(other.op)) break;
    }
    clock[actor] = second;
    at.push(clock.slice());
    if (waits(op)) return;
    earlier.push(second);
    byUnit.set(word >> 1, earlier);
  });
  return pairs;
}

function join(clock: Int32Array, other: Int32Array): void {
  for (let i = 0; i < clock.length; i++) clock[i] = Math.max(clock[i]!, other[i]!);
}

/** Do the operations concern the same place: a word, or an 8-byte entry if one of them is 64 bit wide? */
export function samePlace(a: Pick<RunOp, 'op' | 'word'>, b: Pick<RunOp, 'op' | 'word'>): boolean {
  return is64(a.op) || is64(b.op) ? a.word >> 1 === b.word >> 1 : a.word === b.word;
}

/** The last operation before `at` that changed the word which `at` reads; -1 if none did. */
export function writerBefore(ops: readonly RunOp[], at: number): number {
  for (let i = at - 1; i >= 0; i--) if (ops[i]!.changed && samePlace(ops[i]!, ops[at]!)) return i;
  return -1;
}
