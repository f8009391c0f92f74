/**
 * stringbuffer of SCTBench (group CS, the append of Java's StringBuffer): the length of the source is read under its lock, and
 * the characters are copied after the lock was dropped and taken again; in between a thread cuts the source. The main thread
 * appends; 2 actors, 6 operations each. Fixed: one critical section.
 */
import type { Kernel } from './kernel.ts';
import { assert, lock, read, unlock, write } from './sync.ts';
import { at, threaded, type Actor } from './threads.ts';

const [LOCK, LENGTH] = [0, 1];

const fillAndCut: Actor = function* (cpu, base) {
  for (const length of [8, 0]) {
    yield* lock(cpu, at(base, LOCK));
    yield* write(cpu, at(base, LENGTH), length);
    yield* unlock(cpu, at(base, LOCK));
  }
};

const append = (keepsLock: boolean): Actor =>
  function* (cpu, base) {
    yield* lock(cpu, at(base, LOCK));
    const length = yield* read(cpu, at(base, LENGTH));
    if (!keepsLock) {
      yield* unlock(cpu, at(base, LOCK));
      yield* lock(cpu, at(base, LOCK));
    }
    const now = yield* read(cpu, at(base, LENGTH));
    yield* unlock(cpu, at(base, LOCK));
    assert(now >= length, `${length} characters are copied from ${now}`);
  };

export const stringBuffer: Kernel = {
  name: 'stringbuffer',
  published: 'stringbuffer',
  bug: 'a length that was read under a lock is used after the lock was dropped',
  threads: 2,
  steps: 16,
  program: threaded({ name: 'stringbuffer', variables: 2, threads: [fillAndCut], main: append(false) }),
  fixed: threaded({ name: 'stringbuffer-fixed', variables: 2, threads: [fillAndCut], main: append(true) }),
};
