/** The stress run: repetitions of a machine in the parallel runtime until the work or the time is used up. */
import { availableParallelism } from 'node:os';
import type { Layout } from '../arena/layout.ts';
import { checkWorld } from '../check/stop-the-world.ts';
import { ALL_STATE_CHECKS } from '../check/all.ts';
import type { ActorClass } from '../cpu/cpu.ts';
import { masterSeed } from '../cpu/random.ts';
import { measureClockCost, trustNotes } from '../measure/sampling.ts';
import { summarize, type HugePageSample, type RunStatistics } from '../measure/summary.ts';
import type { Engine } from '../mmu/engine.ts';
import type { Violation } from '../runtime/outcome.ts';
import { makePool, runRepetition, type ActorStatus, type RepetitionResult } from '../runtime/parallel.ts';
import { nanosSince } from '../runtime/parallel-actor.ts';
import type { Machine } from '../scenario/build.ts';
import { threadEntry } from '../scenario/trial.ts';
import type { ActorMeasures } from './equipment.ts';

export interface StressOptions {
  readonly machine: Machine;
  readonly layout: Layout;
  readonly engine: Engine;
  readonly variants: readonly string[];
  readonly scenarioFile: string | undefined;
  readonly seed: string;
  /** Ids of checks whose findings do not count. */
  readonly without: ReadonlySet<string>;
  /** Repetitions at most; 0: until the time is up. */
  readonly repetitions: number;
  /** Milliseconds at most. */
  readonly durationMs: number;
  readonly stopEveryMs: number;
  readonly hangMs: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: StressProgress) => void;
}

export interface StressProgress {
  readonly elapsedMs: number;
  readonly repetition: number;
  readonly hugePagesLeft: number;
  readonly violations: number;
}

export interface StressActor {
  readonly name: string;
  readonly class: ActorClass;
  readonly status: ActorStatus;
  readonly error?: string;
}

export interface StressResult {
  readonly repetitions: number;
  readonly durationMs: number;
  readonly violations: readonly Violation[];
  readonly errors: readonly string[];
  readonly stops: number;
  readonly statistics: RunStatistics;
  readonly actors: readonly StressActor[];
  readonly caveats: readonly string[];
  readonly interrupted: boolean;
  /** Repetitions that went through to the end. */
  readonly completed: number;
}

const NS_PER_MS = 1e6;
/** Polls of a lock word before a thread sleeps; with more threads than cores, spinning only takes time from others. */
const SPINS = availableParallelism() > 1 ? 200 : 0;

/** Runs the machine again and again. Later repetitions go on with other random streams of the same seed. */
export async function stress(options: StressOptions): Promise<StressResult> {
  const { machine, layout, engine, variants, scenarioFile } = options;
  const began = performance.now();
  const timer = new AbortController();
  const timeout = setTimeout(() => timer.abort(), options.durationMs);
  const signal = AbortSignal.any([options.signal, timer.signal]);
  const pool = makePool({
    threads: machine.actors.length,
    entry: threadEntry('actor', 'much'),
  });
  const results: RepetitionResult<ActorMeasures>[] = [];
  const violations: Violation[] = [];
  try {
    for (
      let repetition = 0;
      !signal.aborted && (options.repetitions === 0 || repetition < options.repetitions);
      repetition++
    ) {
      const result = await runRepetition<ActorMeasures>({
        machine,
        layout,
        engine,
        variants,
        scenarioFile,
        master: masterSeed(options.seed),
        repetition,
        pool,
        spins: SPINS,
        stopEveryMs: options.stopEveryMs,
        hangMs: options.hangMs,
        signal,
        checkWorld: (kvm) => checkWorld(kvm, ALL_STATE_CHECKS),
        onSample: (sample) => {
          options.onProgress?.({
            elapsedMs: performance.now() - began,
            repetition,
            hugePagesLeft: sample.pages2m + sample.pages1g,
            violations: violations.length,
          });
        },
      });
      results.push(result);
      violations.push(...result.violations.filter((violation) => !options.without.has(violation.id)));
      if (violations.length > 0 || result.errors.length > 0) break;
    }
  } finally {
    clearTimeout(timeout);
    await pool.destroy();
  }
  return summarizeStress(options, results, violations, performance.now() - began);
}

function summarizeStress(
  options: StressOptions,
  results: readonly RepetitionResult<ActorMeasures>[],
  violations: readonly Violation[],
  elapsedMs: number,
): StressResult {
  const { machine } = options;
  const measures = results.flatMap((result) => result.actors.flatMap((actor) => actor.measures ?? []));
  const last = results[results.length - 1];
  const durationMs = results.reduce((sum, result) => sum + result.durationMs, 0);
  const cores = availableParallelism();
  const samples: readonly HugePageSample[] = (last?.samples ?? []).map((sample) => ({
    ...sample,
    t: sample.t * NS_PER_MS,
  }));
  const statistics = summarize({
    unit: 'ns',
    duration: durationMs * NS_PER_MS,
    splitTime: measures.reduce((sum, measure) => sum + measure.splitNs, 0),
    rows: results.flatMap((result) =>
      result.actors.map((actor) => ({ cls: actor.cls as ActorClass, row: actor.counters })),
    ),
    locks: measures.map((measure) => measure.locks),
    dropLatency: measures.map((measure) => measure.dropLatency),
    hugePages: samples,
    brokenRules: violations.map((violation) => violation.id),
  });
  const startNs = Number(process.hrtime.bigint());
  const caveats = trustNotes({
    workers: machine.actors.length,
    cores,
    samples: statistics.locks.reduce((sum, lock) => sum + lock.total.acquisitions, 0),
    unit: 'ns',
    clockCostNs: measureClockCost(() => nanosSince(startNs)),
  });
  return {
    repetitions: results.length,
    durationMs: elapsedMs,
    violations,
    errors: results.flatMap((result) => result.errors),
    stops: results.reduce((sum, result) => sum + result.stops + (result.finalCheck ? 1 : 0), 0),
    statistics,
    actors: (last?.actors ?? []).map((actor) => ({
      name: actor.name,
      class: actor.cls as ActorClass,
      status: actor.status,
      ...(actor.error === undefined ? {} : { error: actor.error }),
    })),
    caveats,
    interrupted: options.signal.aborted,
    completed: results.filter((result) => !result.interrupted && result.errors.length === 0).length,
  };
}
