/**
 * bluetooth_driver of SCTBench (group CS, after Qadeer and Wu, PLDI 2004): a request tests whether the driver is stopping
 * and only then counts itself in; the stop in between finds no pending requests. The main thread creates the stop and makes
 * the request itself. 2 actors, 5 and 6 operations. Fixed: the request counts itself in first, with one atomic addition, and then tests.
 *
 * The pending count is kept one too low, so that all words start at 0.
 */
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import type { Steps } from '../../src/cpu/steps.ts';
import type { Kernel } from './kernel.ts';
import { add, assert, read, write } from './sync.ts';
import { at, threaded, type Actor } from './threads.ts';

const [PENDING, STOPPING, STOPPED, EVENT] = [0, 1, 2, 3];

/** Counts one request out, in two operations. */
function* leave(cpu: PlainCpu, base: number): Steps<void> {
  const left = (yield* read(cpu, at(base, PENDING))) - 1;
  yield* write(cpu, at(base, PENDING), left);
  if (left === -1) yield* write(cpu, at(base, EVENT), 1);
}

const stop: Actor = function* (cpu, base) {
  yield* write(cpu, at(base, STOPPING), 1);
  yield* leave(cpu, base);
  if ((yield* read(cpu, at(base, EVENT))) === 1) yield* write(cpu, at(base, STOPPED), 1);
};

const request: Actor = function* (cpu, base) {
  if ((yield* read(cpu, at(base, STOPPING))) === 1) return;
  yield* write(cpu, at(base, PENDING), (yield* read(cpu, at(base, PENDING))) + 1);
  assert((yield* read(cpu, at(base, STOPPED))) === 0, 'the device is used after it was stopped');
  yield* leave(cpu, base);
};

function* leaveAtomically(cpu: PlainCpu, base: number): Steps<void> {
  if ((yield* add(cpu, at(base, PENDING), -1)) === 0) yield* write(cpu, at(base, EVENT), 1);
}

const stopFixed: Actor = function* (cpu, base) {
  yield* write(cpu, at(base, STOPPING), 1);
  yield* leaveAtomically(cpu, base);
  if ((yield* read(cpu, at(base, EVENT))) === 1) yield* write(cpu, at(base, STOPPED), 1);
};

const requestFixed: Actor = function* (cpu, base) {
  yield* add(cpu, at(base, PENDING), 1);
  if ((yield* read(cpu, at(base, STOPPING))) === 0)
    assert((yield* read(cpu, at(base, STOPPED))) === 0, 'the device is used after it was stopped');
  yield* leaveAtomically(cpu, base);
};

export const bluetooth: Kernel = {
  name: 'bluetooth',
  published: 'bluetooth',
  bug: 'a request slips in between the test of the stopping flag and the count of pending requests',
  threads: 2,
  steps: 16,
  program: threaded({ name: 'bluetooth', variables: 4, threads: [stop], main: request }),
  fixed: threaded({ name: 'bluetooth-fixed', variables: 4, threads: [stopFixed], main: requestFixed }),
};
