/**
 * A shard: consecutive schedules that one runtime runs from beginning to end. What it hands back is enough to merge shards in the
 * order of their schedules, and to cut the search off at any of its failures, as if one runtime had run them all.
 */
import type { RunCoverage } from '../../cpu/plain-cpu.ts';
import { Coverage, type PairKey } from '../../explore/coverage.ts';
import type { Excerpt } from '../../explore/excerpt.ts';
import { locationGroups, partiesOf, wordKinds } from '../../explore/locations.ts';
import { concrete, Schedules } from '../../explore/scheduler-of.ts';
import { strategyText, type ChosenStrategy } from '../../explore/strategies/index.ts';
import type { RunResult } from '../../explore/runner.ts';
import { Twice, type Divergence } from '../../explore/twice.ts';
import type { ControlledRuntime } from '../../runtime/controlled.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import type { Violation } from '../../runtime/outcome.ts';
import { describeDivergence } from '../divergence.ts';
import { signatureOf } from '../signature.ts';

/** Schedules whose difference is told. */
const MAX_DIFFERENCES = 3;

export interface ShardTask {
  readonly number: number;
  readonly from: number;
  readonly to: number;
  /** Of a portfolio: the arm of each schedule. */
  readonly deal: Uint8Array | undefined;
  /** Stop after this many failing schedules. */
  readonly maxFailures: number;
  /** Schedules below this one are run twice and compared, as failing ones always are. */
  readonly twiceBelow: number;
}

/** Sums over the schedules of a shard up to some point. */
export interface Totals {
  readonly schedules: number;
  readonly steps: number;
  readonly decisions: number;
  readonly truncated: number;
  /** Operation pairs met for the first time in the shard. */
  readonly pairs: number;
  /** Counters by actor. */
  readonly counters: readonly Float64Array[];
}

/** A failing schedule. */
export interface ShardFailure {
  readonly schedule: number;
  /** What made the schedule, as the command line names it: of a portfolio the strategy it was dealt to. */
  readonly strategy: string;
  /** What that strategy read of the profile. */
  readonly excerpt: Excerpt | undefined;
  readonly steps: number;
  readonly preemptions: number;
  readonly hash: string;
  readonly violation: Violation;
  /** The check and the kind of place: failures with the same signature are taken for the same. */
  readonly signature: string;
  /** The run gave the same hash and the same violation again. */
  readonly reproduced: boolean;
  /** Everything up to and with this schedule. */
  readonly totals: Totals;
}

export interface ShardReply {
  readonly number: number;
  readonly from: number;
  /** Happens-before fingerprints: two halves for each schedule. */
  readonly keys: Int32Array;
  /** Trace hashes. */
  readonly hashes: Int32Array;
  readonly pairs: readonly PairKey[];
  readonly failures: readonly ShardFailure[];
  /** Schedules whose second run differed. */
  readonly diverged: readonly number[];
  /** What the first of them differ in. */
  readonly differences: readonly string[];
  readonly totals: Totals;
  /** All schedules were run, or maxFailures of them failed; false if it was stopped. */
  readonly complete: boolean;
  /** The harness threw. */
  readonly error?: string;
}

/** Runs shards on one runtime. */
export class ShardRunner {
  readonly runtime: ControlledRuntime;
  readonly coverage: Coverage;
  readonly kinds: readonly string[];
  readonly parties: readonly string[];
  readonly schedules: Schedules;
  readonly chosen: ChosenStrategy;
  readonly master: number;
  readonly signature: (violation: Violation) => string;
  readonly twice: Twice;

  constructor(runtime: ControlledRuntime, master: number, chosen: ChosenStrategy, coverage = true) {
    this.runtime = runtime;
    this.master = master;
    this.chosen = chosen;
    this.schedules = new Schedules(runtime, master, chosen, locationGroups(runtime.kvm));
    this.signature = signatureOf(runtime.kvm);
    this.twice = new Twice(runtime);
    const kinds = wordKinds(runtime.kvm);
    const parties = partiesOf(runtime.cpus);
    this.kinds = kinds.names;
    this.parties = parties.names;
    this.coverage = new Coverage({
      actors: runtime.cpus.length,
      words: runtime.memory.length,
      entriesFrom: runtime.entriesFrom,
      kindOf: kinds.kindOf,
      kinds: kinds.names.length,
      partyOf: parties.partyOf,
    });
    if (coverage) runtime.log.coverage = this.coverage;
  }

  begin(task: ShardTask): ShardRun {
    return new ShardRun(this, task);
  }
}

/** A shard on its way. */
export class ShardRun {
  private readonly runner: ShardRunner;
  private readonly task: ShardTask;
  private readonly keys: Int32Array;
  private readonly hashes: Int32Array;
  private readonly failures: ShardFailure[] = [];
  private readonly diverged: number[] = [];
  private readonly differences: string[] = [];
  private readonly coverage: RunCoverage | undefined;
  private done = 0;
  private steps = 0;
  private decisions = 0;
  private truncated = 0;
  private error: string | undefined;

  constructor(runner: ShardRunner, task: ShardTask) {
    this.runner = runner;
    this.task = task;
    this.keys = new Int32Array(2 * (task.to - task.from));
    this.hashes = new Int32Array(task.to - task.from);
    this.coverage = runner.runtime.log.coverage;
    runner.coverage.forgetPairs();
    for (const cpu of runner.runtime.cpus) cpu.counters.fill(0);
  }

  get schedules(): number {
    return this.done;
  }

  get failed(): number {
    return this.failures.length;
  }

  /** The shard is through. */
  get ended(): boolean {
    const { from, to, maxFailures } = this.task;
    return this.error !== undefined || this.done === to - from || this.failures.length >= maxFailures;
  }

  /** Runs the next schedule. */
  advance(): void {
    const schedule = this.task.from + this.done;
    try {
      this.one(schedule);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.error = `schedule ${schedule}: ${text}`;
    }
  }

  private one(schedule: number): void {
    const { runner, task, done } = this;
    const { runtime, master } = runner;
    const arm = task.deal?.[done] ?? 0;
    const scheduler = runner.schedules.armed(arm, schedule);
    const twice = schedule < task.twiceBelow;
    const result = twice
      ? runner.twice.first(scheduler, master, schedule)
      : runtime.run(scheduler, master, schedule);
    if (this.coverage !== undefined) {
      this.keys[2 * done] = this.coverage.lo;
      this.keys[2 * done + 1] = this.coverage.hi;
    }
    this.hashes[done] = runtime.log.hash;
    this.done++;
    this.steps += result.steps;
    this.decisions += result.decisions;
    if (result.truncated) this.truncated++;
    const violation = result.violations[0];
    if (violation === undefined && !twice) return;
    const totals = this.totals();
    const signature = violation === undefined ? '' : runner.signature(violation);
    const divergence = this.again(result, scheduler, schedule, twice);
    if (divergence !== undefined) {
      this.diverged.push(schedule);
      if (this.differences.length < MAX_DIFFERENCES)
        this.differences.push(
          describeDivergence(divergence, (actor) => runtime.cpus[actor]!.name, runtime.kvm),
        );
    }
    if (violation === undefined) return;
    this.failures.push({
      schedule,
      strategy: strategyText(concrete(runner.chosen, arm, schedule)),
      excerpt: runner.schedules.excerpt(schedule, arm),
      steps: result.steps,
      preemptions: result.preemptions,
      hash: result.hash,
      violation,
      signature,
      reproduced: divergence === undefined,
      totals,
    });
  }

  /** Runs a schedule again; what it differs in. Leaves no trace in counters and coverage. */
  private again(
    result: RunResult,
    scheduler: Scheduler,
    schedule: number,
    twice: boolean,
  ): Divergence | undefined {
    const { runtime, twice: runs, master } = this.runner;
    const kept = runtime.cpus.map((cpu) => cpu.counters.slice());
    runtime.log.coverage = undefined;
    const divergence = twice
      ? runs.again(scheduler, master, schedule)
      : runs.check(scheduler, master, schedule, result);
    runtime.log.coverage = this.coverage;
    runtime.cpus.forEach((cpu, i) => cpu.counters.set(kept[i]!));
    return divergence;
  }

  private totals(): Totals {
    return {
      schedules: this.done,
      steps: this.steps,
      decisions: this.decisions,
      truncated: this.truncated,
      pairs: this.runner.coverage.newPairs.length,
      counters: this.runner.runtime.cpus.map((cpu) => cpu.counters.slice()),
    };
  }

  reply(): ShardReply {
    return {
      number: this.task.number,
      from: this.task.from,
      keys: this.keys.slice(0, 2 * this.done),
      hashes: this.hashes.slice(0, this.done),
      pairs: [...this.runner.coverage.newPairs],
      failures: this.failures,
      diverged: this.diverged,
      differences: this.differences,
      totals: this.totals(),
      complete: this.ended && this.error === undefined,
      ...(this.error === undefined ? {} : { error: this.error }),
    };
  }
}
