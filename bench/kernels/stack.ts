/**
 * stack of SCTBench (group CS): pops test the height before they take the lock. One thread pushes three times (4 operations
 * each), two pop three times (1 to 5 operations each); 1 + 3 actors. Fixed: the height is tested under the lock.
 */
import type { Kernel } from './kernel.ts';
import { assert, lock, read, unlock, write } from './sync.ts';
import { at, repeat, threaded, type Actor, type Threads } from './threads.ts';

const [LOCK, HEIGHT] = [0, 1];
const TIMES = 3;

const push: Actor = function* (cpu, base) {
  for (let i = 0; i < TIMES; i++) {
    yield* lock(cpu, at(base, LOCK));
    yield* write(cpu, at(base, HEIGHT), (yield* read(cpu, at(base, HEIGHT))) + 1);
    yield* unlock(cpu, at(base, LOCK));
  }
};

const pop: Actor = function* (cpu, base) {
  for (let i = 0; i < TIMES; i++) {
    if ((yield* read(cpu, at(base, HEIGHT))) === 0) continue;
    yield* lock(cpu, at(base, LOCK));
    const height = yield* read(cpu, at(base, HEIGHT));
    assert(height > 0, 'pop of an empty stack');
    yield* write(cpu, at(base, HEIGHT), height - 1);
    yield* unlock(cpu, at(base, LOCK));
  }
};

const popFixed: Actor = function* (cpu, base) {
  for (let i = 0; i < TIMES; i++) {
    yield* lock(cpu, at(base, LOCK));
    const height = yield* read(cpu, at(base, HEIGHT));
    if (height > 0) yield* write(cpu, at(base, HEIGHT), height - 1);
    yield* unlock(cpu, at(base, LOCK));
  }
};

const check: Threads['check'] = (variable) =>
  variable(HEIGHT) >= 0 ? undefined : `the height is ${variable(HEIGHT)}`;

export const stack: Kernel = {
  name: 'stack',
  published: 'stack',
  bug: 'two pops see the last element before either takes the lock',
  threads: 4,
  steps: 42,
  program: threaded({ name: 'stack', variables: 2, threads: [push, ...repeat(2, pop)], check }),
  fixed: threaded({ name: 'stack-fixed', variables: 2, threads: [push, ...repeat(2, popFixed)], check }),
};
