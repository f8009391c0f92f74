/**
 * reorder_N of SCTBench (group CS): the main thread creates N - 1 writers that store a, then b, and one reader that loads a, then
 * b, and must never see one of the two stores without the other. N + 1 actors, 2 operations in each thread. Fixed: both pairs are
 * made under a lock.
 */
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import type { Steps } from '../../src/cpu/steps.ts';
import type { Kernel } from './kernel.ts';
import { assert, lock, read, unlock, write } from './sync.ts';
import { at, repeat, threaded } from './threads.ts';

const [A, B, LOCK] = [0, 1, 2];

function* store(cpu: PlainCpu, base: number): Steps<void> {
  yield* write(cpu, at(base, A), 1);
  yield* write(cpu, at(base, B), -1);
}

function* look(cpu: PlainCpu, base: number): Steps<void> {
  const a = yield* read(cpu, at(base, A));
  const b = yield* read(cpu, at(base, B));
  assert((a === 0 && b === 0) || (a === 1 && b === -1), `a is ${a} and b is ${b}`);
}

const locked = (inner: typeof store): typeof store =>
  function* (cpu, base) {
    yield* lock(cpu, at(base, LOCK));
    yield* inner(cpu, base);
    yield* unlock(cpu, at(base, LOCK));
  };

/** With `threads` threads beside the main one, the reader last. */
export const reorder = (threads: number): Kernel => ({
  name: `reorder_${threads}`,
  published: `reorder_${threads}`,
  bug: 'a reader sees the second of two stores and not the first, or the first alone',
  threads: threads + 1,
  steps: 6 * threads,
  program: threaded({
    name: `reorder_${threads}`,
    variables: 3,
    threads: [...repeat(threads - 1, store), look],
  }),
  fixed: threaded({
    name: `reorder_${threads}-fixed`,
    variables: 3,
    threads: [...repeat(threads - 1, locked(store)), locked(look)],
  }),
});
