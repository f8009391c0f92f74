/**
 * The work-stealing queue of SCTBench (group Chess, after Arora, Blumofe, Plaxton): the owner pushes three items and takes
 * them from the tail, a thief takes from the head three times. The owner takes the last item without a compare-and-swap of the
 * head, so that both may have it. 1 + 2 actors, up to 20 and 15 operations in the threads. Fixed: the last item is taken by moving the head.
 */
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import type { Steps } from '../../src/cpu/steps.ts';
import type { Kernel } from './kernel.ts';
import { assert, compareAndSwap, read, write } from './sync.ts';
import { at, threaded, type Actor } from './threads.ts';

const [HEAD, TAIL] = [0, 1];
const ITEMS = 3;
/** Times that item i was taken. */
const TAKEN = 4;

function* take(cpu: PlainCpu, base: number, item: number): Steps<void> {
  const word = at(base, TAKEN + item);
  const taken = yield* read(cpu, word);
  assert(taken === 0, `item ${item} is taken twice`);
  yield* write(cpu, word, taken + 1);
}

const owner = (movesHead: boolean): Actor =>
  function* (cpu, base) {
    for (let item = 0; item < ITEMS; item++) yield* write(cpu, at(base, TAIL), item + 1);
    for (;;) {
      const tail = (yield* read(cpu, at(base, TAIL))) - 1;
      if (tail < 0) return;
      yield* write(cpu, at(base, TAIL), tail);
      const head = yield* read(cpu, at(base, HEAD));
      if (head > tail) {
        yield* write(cpu, at(base, TAIL), head);
        return;
      }
      if (head === tail && movesHead) {
        const mine = yield* compareAndSwap(cpu, at(base, HEAD), head, head + 1);
        yield* write(cpu, at(base, TAIL), tail + 1);
        if (mine) yield* take(cpu, base, tail);
        return;
      }
      yield* take(cpu, base, tail);
    }
  };

const thief: Actor = function* (cpu, base) {
  for (let i = 0; i < ITEMS; i++) {
    const head = yield* read(cpu, at(base, HEAD));
    const tail = yield* read(cpu, at(base, TAIL));
    if (head >= tail) continue;
    if (yield* compareAndSwap(cpu, at(base, HEAD), head, head + 1)) yield* take(cpu, base, head);
  }
};

export const workStealingQueue: Kernel = {
  name: 'wsq',
  published: 'WSQ-State',
  bug: 'the owner takes the last item without moving the head, and the thief takes it too',
  threads: 3,
  steps: 33,
  program: threaded({ name: 'wsq', variables: TAKEN + ITEMS, threads: [owner(false), thief] }),
  fixed: threaded({ name: 'wsq-fixed', variables: TAKEN + ITEMS, threads: [owner(true), thief] }),
};
