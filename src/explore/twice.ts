/**
 * Running a schedule twice: a controlled run is a function of its seed, and where it is not, the first operation in which two runs
 * differ says where to look (design 2.2). The first run is recorded and the second compared with it, so that the
 * difference is that of these two runs: a clock that ticked between them need not tick again.
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { OpListener } from '../cpu/plain-cpu.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import type { Runner, RunResult } from './runner.ts';

/** A visible operation with the values that the trace hash covers. */
export interface Operation {
  readonly actor: number;
  readonly op: number;
  readonly word: number;
  readonly lo: number;
  readonly hi: number;
}

/** How two runs of one schedule differ. */
export interface Divergence {
  readonly schedule: number;
  /** Number of the first operation that differs, from 0; -1 if only the verdicts differ, or the operation was not kept. */
  readonly step: number;
  /** The operation of each run; absent where the run had ended. */
  readonly first: Operation | undefined;
  readonly second: Operation | undefined;
  readonly results: readonly [RunResult, RunResult];
}

const FIELDS = 5;
/** Operations of a run that are kept; a longer run is compared by its hash behind them. */
export const MAX_KEPT = 1 << 20;
/** Runs that are made to see a difference again that a run without record showed. */
const ATTEMPTS = 100;

/** Keeps the operations of a run, and compares them with those of another one. */
class Record implements OpListener {
  private operations = new Int32Array(FIELDS * 4096);
  private count = 0;
  private other: Record | undefined;
  /** Number of the first operation that the other one does not have at its place; -1 while there is none. */
  difference = -1;

  begin(other?: Record): void {
    this.count = 0;
    this.other = other;
    this.difference = -1;
  }

  operation(cpu: Cpu, op: number, word: number, lo: number, hi: number): void {
    if (this.count === MAX_KEPT) return;
    const at = this.count++ * FIELDS;
    if (at === this.operations.length) {
      const larger = new Int32Array(2 * at);
      larger.set(this.operations);
      this.operations = larger;
    }
    const { operations } = this;
    operations[at] = cpu.actor;
    operations[at + 1] = op;
    operations[at + 2] = word;
    operations[at + 3] = lo;
    operations[at + 4] = hi;
    if (this.other !== undefined && this.difference < 0 && !this.other.has(operations, at))
      this.difference = this.count - 1;
  }

  private has(operations: Int32Array, at: number): boolean {
    if (at >= this.count * FIELDS) return false;
    for (let i = at; i < at + FIELDS; i++) if (this.operations[i] !== operations[i]) return false;
    return true;
  }

  /** The run has ended: perhaps before the other one did. */
  end(): void {
    if (this.other !== undefined && this.difference < 0 && this.count < this.other.count)
      this.difference = this.count;
  }

  at(step: number): Operation | undefined {
    if (step < 0 || step >= this.count) return undefined;
    const [actor, op, word, lo, hi] = this.operations.subarray(step * FIELDS, (step + 1) * FIELDS);
    return { actor: actor!, op: op!, word: word!, lo: lo!, hi: hi! };
  }
}

const sameResult = (a: RunResult, b: RunResult): boolean =>
  a.hash === b.hash && a.steps === b.steps && a.violations[0]?.id === b.violations[0]?.id;

/** Runs schedules twice on one runner. */
export class Twice {
  private readonly runner: Runner;
  /** Of the last run, and room for the next. */
  private last = new Record();
  private spare = new Record();
  private result: RunResult | undefined;

  constructor(runner: Runner) {
    this.runner = runner;
  }

  /** A run whose operations are kept, for `again`. */
  first(scheduler: Scheduler, master: number, schedule: number): RunResult {
    this.last.begin();
    this.result = this.runner.run(scheduler, master, schedule, this.last);
    return this.result;
  }

  /**
   * The same schedule once more after `first` or `again`; undefined if it is the same run as that one.
   * @throws Error if there was no run before
   */
  again(scheduler: Scheduler, master: number, schedule: number): Divergence | undefined {
    const { last, spare, result } = this;
    if (result === undefined) throw new Error('again() needs a run to compare with');
    spare.begin(last);
    const second = this.runner.run(scheduler, master, schedule, spare);
    spare.end();
    this.last = spare;
    this.spare = last;
    this.result = second;
    const step = spare.difference;
    if (step < 0 && sameResult(result, second)) return undefined;
    return { schedule, step, first: last.at(step), second: spare.at(step), results: [result, second] };
  }

  /**
   * Once more after a run that was not recorded and gave `result`. If the second run is another one, runs are made until one
   * differs from that before it and shows the operation; if none does, only the results are known.
   */
  check(scheduler: Scheduler, master: number, schedule: number, result: RunResult): Divergence | undefined {
    const second = this.first(scheduler, master, schedule);
    if (sameResult(result, second)) return undefined;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const divergence = this.again(scheduler, master, schedule);
      if (divergence !== undefined) return divergence;
    }
    return { schedule, step: -1, first: undefined, second: undefined, results: [result, second] };
  }
}
