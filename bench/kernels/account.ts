/**
 * account of SCTBench (group CS): one thread deposits under the lock, one withdraws without it; at the end the balance must
 * be right. 1 + 2 actors, 4 and 2 operations in the threads. Fixed: both take the lock.
 */
import type { Kernel } from './kernel.ts';
import { lock, read, unlock, write } from './sync.ts';
import { at, threaded, type Actor, type Threads } from './threads.ts';

const [LOCK, BALANCE] = [0, 1];

const move = (amount: number, locks: boolean): Actor =>
  function* (cpu, base) {
    if (locks) yield* lock(cpu, at(base, LOCK));
    yield* write(cpu, at(base, BALANCE), (yield* read(cpu, at(base, BALANCE))) + amount);
    if (locks) yield* unlock(cpu, at(base, LOCK));
  };

const check: Threads['check'] = (variable) =>
  variable(BALANCE) === 60 ? undefined : `the balance is ${variable(BALANCE)}`;

export const account: Kernel = {
  name: 'account',
  published: 'account',
  bug: 'a withdrawal does not take the lock that the deposit takes',
  threads: 3,
  steps: 14,
  program: threaded({
    name: 'account',
    variables: 2,
    threads: [move(100, true), move(-40, false)],
    check,
  }),
  fixed: threaded({
    name: 'account-fixed',
    variables: 2,
    threads: [move(100, true), move(-40, true)],
    check,
  }),
};
