/**
 * Is it true that the order of independent steps does not matter? Partial-order reduction takes it for granted, and it holds as
 * long as actors share nothing but through visible operations: what lies between two of them must be private, or be kept by a
 * lock. Here a run is made once more with its independent steps in another order, and must come to the same partial order, the
 * same memory and the same verdict.
 */
import type { Rng } from '../../cpu/random.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import type { Runner, RunResult } from '../runner.ts';
import type { Execution } from './execution.ts';
import { RecordedRun } from './recorder.ts';

/** The actors of another order of the same steps, drawn at random; dependent steps keep theirs. */
export function anotherOrder(execution: Execution, rng: Rng): Int32Array {
  const { actors, count, clock } = execution;
  const steps: number[][] = Array.from({ length: actors }, () => []);
  for (let step = 0; step < count; step++) steps[execution.actor[step]!]!.push(step);
  const made = new Int32Array(actors);
  const order = new Int32Array(count);
  const ready: number[] = [];
  for (let at = 0; at < count; at++) {
    ready.length = 0;
    for (let actor = 0; actor < actors; actor++) {
      const step = steps[actor]![made[actor]!];
      if (step === undefined) continue;
      let free = true;
      for (let other = 0; other < actors && free; other++) {
        free = other === actor || clock[step * actors + other]! <= made[other]!;
      }
      if (free) ready.push(actor);
    }
    const next = ready[rng.below(ready.length)]!;
    order[at] = next;
    made[next]!++;
  }
  return order;
}

/** Steps the actors in a given order; stops minding it where that is impossible. */
export class GivenOrder implements Scheduler {
  possible = true;
  private readonly order: Int32Array;
  private at = 0;

  constructor(order: Int32Array) {
    this.order = order;
  }

  begin(): void {
    this.at = 0;
    this.possible = true;
  }

  pick(enabled: Int32Array, count: number): number {
    const wanted = this.order[this.at]!;
    for (let i = 0; i < count; i++) if (enabled[i] === wanted) return wanted;
    this.possible = false;
    return enabled[0]!;
  }

  step(actor: number): void {
    if (this.order[this.at++] !== actor) this.possible = false;
  }
}

/** What two orders of the same steps come to. */
export interface Comparison {
  /** What differs; empty if nothing. */
  readonly differences: readonly string[];
  readonly first: RunResult;
  readonly second: RunResult;
}

/** Runs `scheduler`, then the same steps in another order. */
export function compareOrders(
  runner: Runner,
  scheduler: Scheduler,
  master: number,
  schedule: number,
  rng: Rng,
): Comparison {
  const actors = runner.cpus.length;
  const one = new RecordedRun(scheduler, actors, runner.memory);
  const first = runner.run(one, master, schedule, one);
  const state = runner.stateHash();
  const given = new GivenOrder(anotherOrder(one.execution, rng));
  const two = new RecordedRun(given, actors, runner.memory);
  const second = runner.run(two, master, schedule, two);
  const ids = (result: RunResult): string => result.violations.map(({ id }) => id).join(' ');
  const differences: string[] = [];
  if (!given.possible) differences.push('the other order could not be run');
  else if (one.execution.traceKey() !== two.execution.traceKey()) differences.push('the partial order');
  if (runner.stateHash() !== state) differences.push('the memory at the end');
  if (ids(first) !== ids(second))
    differences.push(`what was broken (${ids(first) || 'nothing'}, then ${ids(second) || 'nothing'})`);
  return { differences, first, second };
}
