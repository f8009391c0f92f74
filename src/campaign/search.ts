/**
 * Searching schedules in the controlled runtime: many of them for `explore`, one for `replay`.
 * A run hands back an Outcome-like summary; the command line renders it.
 */
import type { CustomActor } from '../actors/context.ts';
import type { OpListener } from '../cpu/plain-cpu.ts';
import { masterSeed } from '../cpu/random.ts';
import type { Layout } from '../arena/layout.ts';
import type { Engine } from '../mmu/engine.ts';
import { ControlledRuntime, type ControlledResult, type Judge } from '../runtime/controlled.ts';
import type { Violation } from '../runtime/outcome.ts';
import { locationGroups } from '../explore/locations.ts';
import { Schedules } from '../explore/scheduler-of.ts';
import type { ChosenStrategy } from '../explore/strategies/index.ts';
import { Twice } from '../explore/twice.ts';
import type { Machine } from '../scenario/build.ts';
import { describeDivergence } from './divergence.ts';

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
  readonly livelockSteps?: number;
  readonly onProgress?: (progress: SearchProgress) => void;
}

export interface SearchProgress {
  readonly schedules: number;
  readonly steps: number;
  readonly failures: number;
  readonly elapsedMs: number;
}

/** A failing schedule. */
export interface Failure {
  readonly schedule: number;
  /** What made the schedule: of a portfolio the strategy it was dealt to. */
  readonly strategy: ChosenStrategy;
  readonly steps: number;
  readonly preemptions: number;
  readonly hash: string;
  readonly violation: Violation;
  /** The run gave the same hash and the same violation again. */
  readonly reproduced: boolean;
}

export interface SearchResult {
  readonly schedules: number;
  readonly steps: number;
  readonly decisions: number;
  readonly truncated: number;
  readonly failures: readonly Failure[];
  /** Failing schedules by id of the violation. */
  readonly byCheck: Readonly<Record<string, number>>;
  /** Schedules whose second run differed from the first: determinism is broken. */
  readonly diverged: readonly number[];
  /** What the first of them differ in: step, actors and operations. */
  readonly differences: readonly string[];
  /** Combined hash of all schedules' hashes. */
  readonly hash: string;
  readonly elapsedMs: number;
  readonly interrupted: boolean;
  readonly runtime: ControlledRuntime;
}

/** Milliseconds between two looks at the event loop. */
const SLICE_MS = 40;
/** Schedules checked for reproducibility at the start of every search. */
const ALWAYS_TWICE = 16;
/** Schedules whose difference is told. */
const MAX_DIFFERENCES = 3;

/** Runs schedules until the count, the failures or the signal end it. */
export async function search(options: SearchOptions): Promise<SearchResult> {
  const master = masterSeed(options.seed);
  const runtime = new ControlledRuntime(options);
  const schedules = new Schedules(runtime, master, options.strategy, locationGroups(runtime.kvm));
  const failures: Failure[] = [];
  const byCheck: Record<string, number> = {};
  const diverged: number[] = [];
  const differences: string[] = [];
  const runs = new Twice(runtime);
  const began = performance.now();
  let sliceBegan = began;
  let hash = 0;
  let done = 0;
  let steps = 0;
  let decisions = 0;
  let truncated = 0;
  let interrupted = false;

  for (let i = 0; i < options.schedules && failures.length < options.maxFailures; i++) {
    const schedule = options.from + i;
    const scheduler = schedules.of(schedule);
    const strategy = schedules.concrete(schedule);
    const twice = options.twice || i < ALWAYS_TWICE;
    const result = twice ? runs.first(scheduler, master, schedule) : runtime.run(scheduler, master, schedule);
    done++;
    steps += result.steps;
    decisions += result.decisions;
    if (result.truncated) truncated++;
    hash = (Math.imul(hash, 31) + Number.parseInt(result.hash, 16)) | 0;
    const violation = result.violations[0];
    if (violation !== undefined || twice) {
      const divergence = twice
        ? runs.again(scheduler, master, schedule)
        : runs.check(scheduler, master, schedule, result);
      if (divergence !== undefined) {
        diverged.push(schedule);
        if (differences.length < MAX_DIFFERENCES)
          differences.push(describeDivergence(divergence, (actor) => runtime.cpus[actor]!.name, runtime.kvm));
      }
      if (violation !== undefined) {
        byCheck[violation.id] = (byCheck[violation.id] ?? 0) + 1;
        failures.push({
          schedule,
          strategy,
          steps: result.steps,
          preemptions: result.preemptions,
          hash: result.hash,
          violation,
          reproduced: divergence === undefined,
        });
      }
    }
    const now = performance.now();
    if (now - sliceBegan < SLICE_MS) continue;
    options.onProgress?.({ schedules: done, steps, failures: failures.length, elapsedMs: now - began });
    await new Promise<void>((resolve) => setImmediate(resolve));
    sliceBegan = performance.now();
    if (options.signal.aborted) {
      interrupted = true;
      break;
    }
  }
  return {
    schedules: done,
    steps,
    decisions,
    truncated,
    failures,
    byCheck,
    diverged,
    differences,
    hash: (hash >>> 0).toString(16).padStart(8, '0'),
    elapsedMs: performance.now() - began,
    interrupted,
    runtime,
  };
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
