/**
 * Searching schedules in the controlled runtime: many of them for `explore`, one for `replay`.
 *
 * A search is cut into shards (search/plan.ts), which one runtime on this thread or many on a pool of threads run
 * (search/shard.ts, search/pool.ts), and which are merged in order (search/merge.ts): the result is the same for any number of
 * workers, unless time or the user ends it.
 */
import { availableParallelism } from 'node:os';
import type { CustomActor } from '../actors/context.ts';
import type { Layout } from '../arena/layout.ts';
import type { OpListener } from '../cpu/plain-cpu.ts';
import { masterSeed } from '../cpu/random.ts';
import { summarizeCoverage, type CoverageSummary } from '../explore/coverage-summary.ts';
import { locationGroups } from '../explore/locations.ts';
import { Schedules } from '../explore/scheduler-of.ts';
import { strategyText, type ChosenStrategy } from '../explore/strategies/index.ts';
import type { Engine } from '../mmu/engine.ts';
import { ControlledRuntime, type ControlledResult, type Judge } from '../runtime/controlled.ts';
import type { Machine } from '../scenario/build.ts';
import { Merger, type DistinctFailure, type EndReason } from './search/merge.ts';
import { shardEnd } from './search/plan.ts';
import { SearchPool, type WorkerSetup } from './search/pool.ts';
import { ShardRunner, type ShardFailure, type ShardReply, type ShardTask } from './search/shard.ts';
import { SearchSignals } from './search/shared.ts';

export interface SearchOptions {
  readonly machine: Machine;
  readonly layout: Layout;
  readonly engine: Engine;
  readonly custom: Readonly<Record<string, CustomActor>> | undefined;
  readonly judge: Judge;
  /** Ids of checks whose findings do not count. */
  readonly without?: ReadonlySet<string>;
  readonly seed: string;
  /** First schedule and how many. */
  readonly from: number;
  readonly schedules: number;
  /** Stop after this many failing schedules. */
  readonly maxFailures: number;
  readonly strategy: ChosenStrategy;
  /** Run every schedule twice and compare the hashes; failing ones are compared anyway. */
  readonly twice: boolean;
  /** Stops when aborted. */
  readonly signal: AbortSignal;
  /** Stop when the next schedule is known with this probability. */
  readonly stopWhenCovered?: number | undefined;
  /** Leaves coverage out, for measurements of what it costs. */
  readonly coverage?: boolean;
  readonly livelockSteps?: number;
  /** Ends the search when it is over, in milliseconds; for estimates only, the signal ends it. */
  readonly durationMs?: number | undefined;
  /** Threads that search: as many, or by the cores once the search turns out to be long. Needs `setup`. */
  readonly workers?: number | 'auto';
  /** What threads set themselves up with; absent: everything runs on this thread. */
  readonly setup?: Pick<WorkerSetup, 'scenario' | 'variants'> | undefined;
  readonly onProgress?: (progress: SearchProgress) => void;
}

export interface SearchProgress {
  readonly schedules: number;
  readonly failures: number;
  readonly elapsedMs: number;
  /** Chance that the next schedule is new, as far as has been merged; undefined at the start. */
  readonly unseen: number | undefined;
  readonly workers: number;
}

export type Failure = ShardFailure;

export interface SearchResult {
  readonly schedules: number;
  readonly steps: number;
  readonly decisions: number;
  readonly truncated: number;
  /** Failing schedules; the first thousand. */
  readonly failures: readonly Failure[];
  /** All failing schedules. */
  readonly failing: number;
  /** Failures by signature, in the order of their first ones. */
  readonly distinct: readonly DistinctFailure[];
  /** Failing schedules by id of the violation. */
  readonly byCheck: Readonly<Record<string, number>>;
  /** Schedules whose second run differed from the first: determinism is broken. */
  readonly diverged: readonly number[];
  /** What the first of them differ in: step, actors and operations. */
  readonly differences: readonly string[];
  /** Combined hash of all schedules' hashes. */
  readonly hash: string;
  readonly coverage: CoverageSummary | undefined;
  /** Of a portfolio: schedules by strategy. */
  readonly dealt: readonly { readonly strategy: string; readonly schedules: number }[];
  readonly elapsedMs: number;
  /** The signal ended it. */
  readonly interrupted: boolean;
  readonly ended: EndReason;
  /** What the harness met with if that ended it. */
  readonly error: string | undefined;
  /** Threads that searched. */
  readonly workers: number;
  /** The runtime of this thread; its counters are those of the whole search. */
  readonly runtime: ControlledRuntime;
}

/** Milliseconds between two looks at the event loop. */
const SLICE_MS = 40;
/** Milliseconds between two looks at a pool. */
const POLL_MS = 100;
/** Schedules checked for reproducibility at the start of every search. */
const ALWAYS_TWICE = 16;
/** With workers 'auto': when to look how long the search will take, and how long pays for the start of threads. */
const DECIDE_AFTER_MS = 1_000;
const WORTH_A_POOL_MS = 4_000;

/** Runs schedules until the count, the failures, the coverage or the signal end it. */
export async function search(options: SearchOptions): Promise<SearchResult> {
  return new Search(options).run();
}

interface Running {
  readonly task: ShardTask;
  reply: ShardReply | undefined;
}

class Search {
  private readonly options: SearchOptions;
  private readonly runner: ShardRunner;
  private readonly merger: Merger;
  private readonly signals = new SearchSignals();
  private readonly began = performance.now();
  private readonly end: number;
  /** Shards that were begun and not yet merged, in their order. */
  private readonly begun: Running[] = [];
  private nextFrom: number;
  private nextNumber = 0;
  private pool: SearchPool | undefined;
  private readonly pending = new Set<Promise<void>>();
  /** When this thread last looked at its event loop; shards may be shorter than a slice, and the pool's answers wait there. */
  private sliceBegan = performance.now();
  /** The pool has handed something back: this thread need not search any more. */
  private poolAnswers = false;

  constructor(options: SearchOptions) {
    this.options = options;
    const runtime = new ControlledRuntime(options);
    this.runner = new ShardRunner(
      runtime,
      masterSeed(options.seed),
      options.strategy,
      options.coverage !== false,
    );
    this.merger = new Merger(options);
    this.nextFrom = options.from;
    this.end = options.from + options.schedules;
  }

  async run(): Promise<SearchResult> {
    const { options } = this;
    if (typeof options.workers === 'number' && options.workers > 1) this.startPool(options.workers);
    const onAbort = (): void => this.signals.stop();
    options.signal.addEventListener('abort', onAbort);
    if (options.signal.aborted) onAbort();
    try {
      while (!this.over) {
        if (this.pool !== undefined) this.feedPool();
        if (this.poolAnswers) await this.waitForPool();
        else await this.runHere();
        this.progress();
      }
      this.signals.stop();
    } finally {
      options.signal.removeEventListener('abort', onAbort);
      await this.pool?.close([...this.pending]);
    }
    // What was under way when the search was ended from outside counts as well.
    if (this.options.signal.aborted) {
      for (const { task, reply } of this.begun) if (reply !== undefined) this.merger.take(reply, task.deal);
    }
    return this.result();
  }

  private get over(): boolean {
    if (this.options.signal.aborted || this.merger.ended !== undefined) return true;
    return this.nextFrom >= this.end && this.begun.length === 0;
  }

  /** The next shard; undefined if there is none, or none yet. */
  private next(): Running | undefined {
    if (this.nextFrom >= this.end || this.signals.stopped(this.nextNumber)) return undefined;
    const from = this.nextFrom;
    const to = shardEnd(from, this.end);
    const deal = this.merger.dealOf(from, to);
    if (deal === 'wait') return undefined;
    const { options } = this;
    const task: ShardTask = {
      number: this.nextNumber++,
      from,
      to,
      deal,
      maxFailures: options.maxFailures,
      twiceBelow: options.twice ? Infinity : options.from + ALWAYS_TWICE,
    };
    this.nextFrom = to;
    const running: Running = { task, reply: undefined };
    this.begun.push(running);
    return running;
  }

  /** Merges what is complete, in order. */
  private settle(running: Running, reply: ShardReply): void {
    running.reply = reply;
    // If the shards up to some one have failed often enough, no later one is needed, whatever the missing ones bring.
    let failures = this.merger.failing;
    for (const { task, reply: known } of this.begun) {
      failures += known?.failures.length ?? 0;
      if (known === undefined || failures < this.options.maxFailures) continue;
      this.signals.limit(task.number);
      break;
    }
    while (
      this.begun[0]?.reply !== undefined &&
      (this.begun[0].reply.complete || this.hasError(this.begun[0]))
    ) {
      const first = this.begun.shift()!;
      this.merger.take(first.reply!, first.task.deal);
    }
  }

  private hasError({ reply }: Running): boolean {
    return reply?.error !== undefined;
  }

  /** Runs one shard on this thread, with a look at the event loop now and then. */
  private async runHere(): Promise<void> {
    const running = this.next();
    if (running === undefined) {
      await this.waitForPool();
      return;
    }
    const run = this.runner.begin(running.task);
    while (!run.ended && !this.signals.stopped(running.task.number)) {
      const failed = run.failed;
      run.advance();
      this.signals.count(1, run.failed - failed);
      if (performance.now() - this.sliceBegan < SLICE_MS) continue;
      this.progress();
      this.decide();
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      this.sliceBegan = performance.now();
    }
    this.settle(running, run.reply());
  }

  private async waitForPool(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const later = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, POLL_MS);
    });
    await Promise.race([...this.pending, later]);
    clearTimeout(timer);
  }

  /** With workers 'auto': starts threads once it is known that they pay. */
  private decide(): void {
    if (this.options.workers !== 'auto' || this.pool !== undefined || this.options.setup === undefined)
      return;
    const elapsed = performance.now() - this.began;
    const cores = availableParallelism();
    if (elapsed < DECIDE_AFTER_MS || cores < 2) return;
    const left = this.options.schedules - this.signals.schedules;
    const bySchedules = (left * elapsed) / Math.max(1, this.signals.schedules);
    const byTime = (this.options.durationMs ?? Infinity) - elapsed;
    if (Math.min(bySchedules, byTime) >= WORTH_A_POOL_MS) this.startPool(cores);
  }

  private startPool(workers: number): void {
    const { options } = this;
    if (options.setup === undefined) return;
    this.pool = new SearchPool(
      workers,
      {
        ...options.setup,
        machine: options.machine,
        layout: options.layout,
        without: [...(options.without ?? [])],
        seed: options.seed,
        strategy: strategyText(options.strategy),
        coverage: options.coverage !== false,
        livelockSteps: options.livelockSteps,
      },
      this.signals,
    );
  }

  /** Keeps every thread busy. */
  private feedPool(): void {
    const pool = this.pool!;
    while (this.pending.size < pool.shards) {
      const running = this.next();
      if (running === undefined) return;
      const done = pool.run(running.task).then((reply) => {
        this.poolAnswers = true;
        this.pending.delete(done);
        this.settle(running, reply);
        if (!this.over) this.feedPool();
      });
      this.pending.add(done);
    }
  }

  private progress(): void {
    const { keys } = this.merger;
    this.options.onProgress?.({
      schedules: this.signals.schedules,
      failures: this.signals.failures,
      elapsedMs: performance.now() - this.began,
      unseen: keys.total === 0 || this.options.coverage === false ? undefined : keys.unseen,
      workers: this.pool?.workers ?? 1,
    });
  }

  private result(): SearchResult {
    const { merger, runner, options } = this;
    runner.runtime.cpus.forEach((cpu, actor) => cpu.counters.set(merger.counters[actor] ?? []));
    const { arms } = options.strategy.strategy;
    return {
      schedules: merger.schedules,
      steps: merger.steps,
      decisions: merger.decisions,
      truncated: merger.truncated,
      failures: merger.failures,
      failing: merger.failing,
      distinct: [...merger.distinct.values()],
      byCheck: merger.byCheck,
      diverged: merger.diverged,
      differences: merger.differences,
      hash: merger.hash,
      coverage:
        options.coverage === false
          ? undefined
          : summarizeCoverage(merger.keys, merger.pairs, runner.kinds, runner.parties),
      dealt: (arms ?? []).map((arm, i) => ({ strategy: strategyText(arm), schedules: merger.dealt[i]! })),
      elapsedMs: performance.now() - this.began,
      interrupted: options.signal.aborted && merger.ended === undefined,
      ended: merger.ended ?? 'schedules',
      error: merger.error,
      workers: this.pool?.workers ?? 1,
      runtime: runner.runtime,
    };
  }
}

export interface ReplayOptions extends Omit<
  SearchOptions,
  'from' | 'schedules' | 'maxFailures' | 'twice' | 'signal' | 'onProgress'
> {
  readonly schedule: number;
  readonly listener?: OpListener;
  /** Given the runtime before the second, recorded run. */
  readonly onRuntime?: (runtime: ControlledRuntime) => void;
}

/** One schedule, run twice; the listener sees the second run. */
export function replaySchedule(options: ReplayOptions): {
  readonly result: ControlledResult;
  readonly same: boolean;
  readonly runtime: ControlledRuntime;
} {
  const master = masterSeed(options.seed);
  const runtime = new ControlledRuntime(options);
  const schedules = new Schedules(runtime, master, options.strategy, locationGroups(runtime.kvm));
  const scheduler = schedules.of(options.schedule);
  const first = runtime.run(scheduler, master, options.schedule);
  for (const cpu of runtime.cpus) cpu.counters.fill(0);
  options.onRuntime?.(runtime);
  const result = runtime.run(scheduler, master, options.schedule, options.listener);
  const same = first.hash === result.hash && first.violations[0]?.id === result.violations[0]?.id;
  return { result, same, runtime };
}
