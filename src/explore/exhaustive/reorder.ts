/**
 * Is it true that the order of independent steps does not matter? Partial-order reduction takes it for granted, and it holds as
 * long as actors share nothing but through visible operations: what lies between two of them must be private, or be kept by a
 * lock. Here a run is made once more with its independent steps in another order, and must come to the same partial order, the
 * same memory and the same verdict.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import type { OpListener } from '../../cpu/plain-cpu.ts';
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

/** Keeps what each actor's operations found, and compares with an earlier run. */
class Findings implements OpListener {
  /** The first operation that was another one or found another value than in `before`. */
  surprise: Surprise | undefined;
  private readonly inner: OpListener;
  private readonly before: Findings | undefined;
  private readonly made: number[][];

  constructor(inner: OpListener, actors: number, before?: Findings) {
    this.inner = inner;
    this.before = before;
    this.made = Array.from({ length: actors }, () => []);
  }

  operation(cpu: Cpu, op: number, word: number, lo: number, hi: number): void {
    const own = this.made[cpu.actor]!;
    const known = this.before?.made[cpu.actor];
    const now = [op, word, lo, hi];
    if (this.surprise === undefined && known !== undefined && own.length < known.length) {
      if (now.some((value, i) => known[own.length + i] !== value)) this.surprise = { actor: cpu.actor, word };
    }
    own.push(...now);
    this.inner.operation(cpu, op, word, lo, hi);
  }
}

/** Where an actor saw that something had changed without an operation. */
export interface Surprise {
  readonly actor: number;
  readonly word: number;
}

/** What two orders of the same steps come to. */
export interface Comparison {
  /** The first operation of the other order that found another value: somebody changed it, or what led there, unannounced. */
  readonly surprise: Surprise | undefined;
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
  const found = new Findings(one, actors);
  const first = runner.run(one, master, schedule, found);
  const state = runner.stateHash();
  const given = new GivenOrder(anotherOrder(one.execution, rng));
  const two = new RecordedRun(given, actors, runner.memory);
  const foundThen = new Findings(two, actors, found);
  const second = runner.run(two, master, schedule, foundThen);
  const ids = (result: RunResult): string => result.violations.map(({ id }) => id).join(' ');
  const differences: string[] = [];
  if (!given.possible) differences.push('the other order could not be run');
  else if (one.execution.traceKey() !== two.execution.traceKey()) differences.push('the partial order');
  if (runner.stateHash() !== state) differences.push('the memory at the end');
  if (ids(first) !== ids(second))
    differences.push(`what was broken (${ids(first) || 'nothing'}, then ${ids(second) || 'nothing'})`);
  return { differences, surprise: foundThen.surprise, first, second };
}
