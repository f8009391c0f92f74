/**
 * twostage_N of SCTBench (group CS): the main thread creates N - 1 writers that set a first word under one lock and a second,
 * derived one under another, and a reader that looks at the second if it finds the first set. N + 1 actors; a writer makes 7
 * operations, the reader up to 6. Fixed: a writer keeps the first lock until its second stage is done.
 */
import type { Kernel } from './kernel.ts';
import { assert, lock, read, unlock, write } from './sync.ts';
import { at, repeat, threaded, type Actor } from './threads.ts';

const [LOCK1, LOCK2, FIRST, SECOND] = [0, 1, 2, 3];

const writer = (keepsFirstLock: boolean): Actor =>
  function* (cpu, base) {
    yield* lock(cpu, at(base, LOCK1));
    yield* write(cpu, at(base, FIRST), 1);
    if (!keepsFirstLock) yield* unlock(cpu, at(base, LOCK1));
    yield* lock(cpu, at(base, LOCK2));
    yield* write(cpu, at(base, SECOND), (yield* read(cpu, at(base, FIRST))) + 1);
    yield* unlock(cpu, at(base, LOCK2));
    if (keepsFirstLock) yield* unlock(cpu, at(base, LOCK1));
  };

const reader: Actor = function* (cpu, base) {
  yield* lock(cpu, at(base, LOCK1));
  const first = yield* read(cpu, at(base, FIRST));
  yield* unlock(cpu, at(base, LOCK1));
  if (first === 0) return;
  yield* lock(cpu, at(base, LOCK2));
  const second = yield* read(cpu, at(base, SECOND));
  yield* unlock(cpu, at(base, LOCK2));
  assert(second === first + 1, `the first stage is ${first}, the second ${second}`);
};

/** With `threads` threads beside the main one, the reader last. */
export function twostage(threads: number): Kernel {
  const name = threads === 2 ? 'twostage' : `twostage_${threads}`;
  const of = (suffix: string, keepsFirstLock: boolean): Kernel['program'] =>
    threaded({
      name: name + suffix,
      variables: 4,
      threads: [...repeat(threads - 1, writer(keepsFirstLock)), reader],
    });
  return {
    name,
    published: name,
    bug: 'a reader between two critical sections sees the first stage done and the second not',
    threads: threads + 1,
    steps: 4 * threads + 7 * (threads - 1) + 6,
    program: of('', false),
    fixed: of('-fixed', true),
  };
}
