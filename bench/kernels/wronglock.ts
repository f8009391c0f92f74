/**
 * wronglock of SCTBench (group CS): one thread counts under a lock and checks its own result, three count under a different
 * lock. 1 + 1 + 3 actors, 5 operations in the first thread and 4 in the others. Fixed: one lock.
 */
import type { Kernel } from './kernel.ts';
import { assert, lock, read, unlock, write } from './sync.ts';
import { at, repeat, threaded, type Actor } from './threads.ts';

const [RIGHT, WRONG, COUNTER] = [0, 1, 2];

const checked: Actor = function* (cpu, base) {
  yield* lock(cpu, at(base, RIGHT));
  const before = yield* read(cpu, at(base, COUNTER));
  yield* write(cpu, at(base, COUNTER), before + 1);
  const after = yield* read(cpu, at(base, COUNTER));
  assert(after === before + 1, `the counter went from ${before} to ${after}`);
  yield* unlock(cpu, at(base, RIGHT));
};

const under = (which: number): Actor =>
  function* (cpu, base) {
    yield* lock(cpu, at(base, which));
    yield* write(cpu, at(base, COUNTER), (yield* read(cpu, at(base, COUNTER))) + 1);
    yield* unlock(cpu, at(base, which));
  };

/** With `others` threads that take the wrong lock. */
export const wronglock = (others: number): Kernel => ({
  name: 'wronglock',
  published: 'wronglock',
  bug: 'a counter is protected by two different locks',
  threads: others + 2,
  steps: 4 * (others + 1) + 5 + 4 * others,
  program: threaded({
    name: 'wronglock',
    variables: 3,
    threads: [checked, ...repeat(others, under(WRONG))],
  }),
  fixed: threaded({
    name: 'wronglock-fixed',
    variables: 3,
    threads: [checked, ...repeat(others, under(RIGHT))],
  }),
});
