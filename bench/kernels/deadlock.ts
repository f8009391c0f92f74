/**
 * deadlock01 of SCTBench (group CS): two threads take two locks in two orders. 1 + 2 actors, 4 operations in each thread.
 * Fixed: one order.
 */
import type { Kernel } from './kernel.ts';
import { lock, unlock } from './sync.ts';
import { at, threaded, type Actor } from './threads.ts';

const both = (first: number): Actor =>
  function* (cpu, base) {
    yield* lock(cpu, at(base, first));
    yield* lock(cpu, at(base, 1 - first));
    yield* unlock(cpu, at(base, 1 - first));
    yield* unlock(cpu, at(base, first));
  };

export const deadlock01: Kernel = {
  name: 'deadlock01',
  published: 'deadlock01',
  bug: 'two locks are taken in two orders',
  threads: 3,
  steps: 16,
  program: threaded({ name: 'deadlock01', variables: 2, threads: [both(0), both(1)] }),
  fixed: threaded({ name: 'deadlock01-fixed', variables: 2, threads: [both(0), both(0)] }),
};
