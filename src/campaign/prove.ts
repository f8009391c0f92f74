/**
 * Proving: every behaviour of a machine, or every schedule with few preemptions, for `prove`. What comes out is data; the
 * sentence about it is src/report/statement.ts.
 */
import { createHash } from 'node:crypto';
import type { CustomActor } from '../actors/context.ts';
import type { PlainWatch } from '../arena/watched.ts';
import type { Layout } from '../arena/layout.ts';
import { masterSeed, mix, Rng, Stream } from '../cpu/random.ts';
import { OverrideRecorder, OverrideScheduler } from '../explore/overrides.ts';
import { PreemptionBounding } from '../explore/preemption-search.ts';
import { BoundedProber, DporProber, type Prober } from '../explore/exhaustive/probe.ts';
import { compareOrders, GivenOrder } from '../explore/exhaustive/reorder.ts';
import type { PlainRace } from '../explore/exhaustive/plain-races.ts';
import { SourceDpor } from '../explore/exhaustive/source-dpor.ts';
import { WatchedRunner } from '../explore/exhaustive/watched-runner.ts';
import type { RunResult } from '../explore/runner.ts';
import { RandomWalk } from '../explore/strategies/random-walk.ts';
import { describeWord } from '../mmu/describe.ts';
import type { Engine } from '../mmu/engine.ts';
import type { Proof, ProofEstimate } from '../report/statement.ts';
import { ControlledRuntime, type Judge } from '../runtime/controlled.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import type { Machine } from '../scenario/build.ts';

/** What is to be proved; `choose` takes DPOR where it seems to end within the budget, and else the largest bound that does. */
export type ProofMethod =
  | { readonly kind: 'choose' }
  | { readonly kind: 'dpor' }
  | { readonly kind: 'preemptions'; readonly bound: number };

export interface ProveOptions {
  readonly machine: Machine;
  readonly layout: Layout;
  readonly engine: Engine;
  readonly custom: Readonly<Record<string, CustomActor>> | undefined;
  readonly judge: Judge;
  readonly without?: ReadonlySet<string>;
  readonly seed: string;
  readonly variants: readonly string[];
  readonly method: ProofMethod;
  readonly maxSchedules: number;
  /** The user's wish to end, and the end of the time given. */
  readonly interrupt: AbortSignal;
  readonly timeout: AbortSignal | undefined;
  readonly onProgress?: (progress: ProveProgress) => void;
}

export interface ProveProgress {
  readonly schedules: number;
  readonly elapsedMs: number;
  /** Part of the search that is done, as far as can be said. */
  readonly fraction: number;
  readonly phase: string;
}

/** The schedule whose draws are used: choices and workload are those of schedule 0 of the seed. */
export const PROVED_SCHEDULE = 0;

/** Runs that estimate the size before the search. */
const PROBES = 100;
/** Runs made once more with their independent steps in another order, before partial-order reduction is relied on. */
const REORDERED = 64;
/** Highest bound that `choose` looks at. */
const MOST_PREEMPTIONS = 6;
/**
 * Steps after which a run is cut off, which the statement says: the searches are not fair, and an actor that works until another
 * one stops it would work for ever. More than it takes to notice that nobody gets on.
 */
const MOST_STEPS = 100_000;
const SLICE_MS = 40;
/** Places that are named at which an actor found what nobody had announced. */
const MOST_SURPRISES = 3;
/** Words that are named for which actors race. */
const MOST_RACES = 5;

/** Tells machines apart in a citation: everything that a run depends on but the engine's code. */
export function machineHash(
  { config, actors, populate, dims }: Machine,
  variants: readonly string[],
): string {
  const text = JSON.stringify({ config, actors, populate, dims, variants });
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

export interface ProveResult {
  readonly proof: Proof;
  readonly runtime: ControlledRuntime;
  readonly violation: RunResult['violations'][number] | undefined;
}

export async function prove(options: ProveOptions): Promise<ProveResult> {
  const prover = new Prover(options);
  await prover.plan();
  await prover.search();
  return prover.result();
}

class Prover {
  private readonly options: ProveOptions;
  private runtime!: ControlledRuntime;
  /** The runtime with an eye on what its actors share; not where the search does not rely on it. */
  private watched: WatchedRunner | undefined;
  private readonly master: number;
  private readonly began = performance.now();
  private sliceBegan = this.began;
  private method: 'dpor' | 'preemptions' = 'dpor';
  private bound = 0;
  private why = '';
  private estimate: ProofEstimate | undefined;
  private readonly reordered = { runs: 0, differences: [] as string[], races: [] as string[] };
  private surprises = 0;
  private schedules = 0;
  private redundant = 0;
  private steps = 0;
  private longest = 0;
  private truncated = 0;
  private unfair = 0;
  private hash = 0;
  private exhausted = -1;
  private complete = false;
  private inBound = 0;
  private stopped: Proof['stopped'] = 'complete';
  private failed: { readonly result: RunResult; readonly overrides: Proof['overrides'] } | undefined;
  private reproduced = true;
  private searchBegan = this.began;

  constructor(options: ProveOptions) {
    this.options = options;
    this.master = masterSeed(options.seed);
    if (options.method.kind === 'preemptions') {
      this.runtime = this.newRuntime();
      return;
    }
    this.watched = new WatchedRunner(
      (watch) => (this.runtime = this.newRuntime(watch)),
      (race) => this.noteRace(race),
    );
  }

  private newRuntime(watch?: PlainWatch): ControlledRuntime {
    return new ControlledRuntime({ ...this.options, maxSteps: MOST_STEPS, watch });
  }

  /** Estimates sizes and settles the method. */
  async plan(): Promise<void> {
    const { method, maxSchedules } = this.options;
    if (method.kind === 'preemptions') {
      this.method = 'preemptions';
      this.bound = method.bound;
      this.estimate = await this.probe(this.bounded(this.bound));
      return;
    }
    const sound = await this.checkIndependence();
    const size = await this.probe(this.dpor());
    if (method.kind === 'dpor' || (sound && size.runs <= maxSchedules / 4)) {
      this.estimate = size;
      return;
    }
    this.method = 'preemptions';
    this.watched = undefined;
    this.runtime = this.newRuntime();
    this.why = sound
      ? `all behaviours would take some ${size.runs.toPrecision(2)} runs, which is more than the budget`
      : 'the order of independent operations matters in this machine, so that one run of each class would prove nothing';
    for (let bound = 0; bound <= MOST_PREEMPTIONS; bound++) {
      const estimate = await this.probe(this.bounded(bound));
      if (bound > 0 && estimate.runs > maxSchedules / 2) break;
      this.bound = bound;
      this.estimate = estimate;
    }
  }

  private dpor(): Prober {
    return new DporProber(this.runtime, this.master, PROVED_SCHEDULE);
  }

  private bounded(bound: number): Prober {
    return new BoundedProber(this.runtime, this.master, PROVED_SCHEDULE, bound);
  }

  private async probe(prober: Prober): Promise<ProofEstimate> {
    for (let i = 0; i < PROBES && !(await this.breathe('estimate', i / PROBES)); i++) prober.probe();
    return prober.estimate;
  }

  /** Two actors touch a word, and nothing that other orders keep says who comes first. */
  private noteRace({ word, first, second }: PlainRace): void {
    const { cpus, kvm } = this.runtime;
    const who = ({ actor, kind }: PlainRace['first']): string => `${cpus[actor]!.name} ${kind}`;
    const what = `${describeWord(kvm, word)}, which ${who(first)} and ${who(second)} with no operation to order them`;
    const { races } = this.reordered;
    if (races.length < MOST_RACES && !races.includes(what)) races.push(what);
  }

  /** True if runs come to the same whatever the order of their independent steps. */
  private async checkIndependence(): Promise<boolean> {
    const rng = new Rng(mix(this.master, PROVED_SCHEDULE, Stream.schedule, 0x6f72));
    for (let i = 0; i < REORDERED && !(await this.breathe('reorder', i / REORDERED)); i++) {
      // A walk of another seed each time, over the same choices and workload.
      const walk = new RandomWalk(mix(this.master, i, Stream.schedule));
      const compared = compareOrders(this.watched!, walk, this.master, PROVED_SCHEDULE, rng);
      const { first, surprise } = compared;
      const differences = [...compared.differences];
      if (surprise !== undefined && this.surprises++ < MOST_SURPRISES) {
        const { cpus, kvm } = this.runtime;
        differences.push(`what ${cpus[surprise.actor]!.name} finds in ${describeWord(kvm, surprise.word)}`);
      }
      // What follows a violation is not run, so that two orders of a broken run may end in different places.
      if (first.violations.length > 0) continue;
      this.reordered.runs++;
      for (const difference of differences) {
        if (!this.reordered.differences.includes(difference)) this.reordered.differences.push(difference);
      }
    }
    return this.reordered.differences.length + this.reordered.races.length === 0;
  }

  async search(): Promise<void> {
    this.searchBegan = performance.now();
    if (this.ending()) return;
    if (this.method === 'dpor') await this.searchAll();
    else await this.searchBounded();
  }

  private async searchAll(): Promise<void> {
    const search = new SourceDpor(this.watched!);
    while (!search.exhausted) {
      if (search.complete + search.redundant >= this.options.maxSchedules) {
        this.stopped = 'schedules';
        return;
      }
      const result = search.next(this.master, PROVED_SCHEDULE);
      this.schedules = search.complete;
      this.redundant = search.redundant;
      if (result !== undefined) {
        const { execution } = search;
        if (this.note(result, () => new GivenOrder(execution.actor.slice(0, execution.count)))) return;
      }
      if (await this.breathe('prove', search.fraction())) return;
    }
    this.complete = this.truncated === 0;
  }

  private async searchBounded(): Promise<void> {
    const search = new PreemptionBounding(this.bound);
    while (!search.exhausted) {
      if (search.full && search.waiting === 0) {
        this.stopped = 'memory';
        break;
      }
      if (search.schedules >= this.options.maxSchedules) {
        this.stopped = 'schedules';
        break;
      }
      const { bound } = search;
      this.exhausted = bound - 1;
      const recorder = new OverrideRecorder(search);
      const result = search.next(this.runtime, this.master, PROVED_SCHEDULE, () => recorder);
      this.schedules = search.schedules;
      this.inBound = search.schedules / (search.schedules + search.waiting);
      if (this.note(result, () => new OverrideScheduler(recorder.overrides))) return;
      const known = search.schedules + search.waiting + search.waitingNext;
      if (await this.breathe('prove', search.schedules / Math.max(known, this.estimate?.runs ?? 0))) return;
    }
    if (!search.exhausted) return;
    this.exhausted = this.bound;
    this.complete = this.truncated === 0;
  }

  /** Counts a run. Returns true if it broke something, which ends the search. */
  private note(result: RunResult, again: () => Scheduler): boolean {
    this.steps += result.steps;
    this.longest = Math.max(this.longest, result.steps);
    if (result.truncated) this.truncated++;
    if (result.fairSuffixes > 0) this.unfair++;
    this.hash = (this.hash + Math.imul(Number.parseInt(result.hash, 16), 0x9e3779b1)) | 0;
    if (result.violations.length === 0) return false;
    const recorder = new OverrideRecorder(again());
    const second = this.runtime.run(recorder, this.master, PROVED_SCHEDULE);
    this.reproduced = second.hash === result.hash && second.violations[0]?.id === result.violations[0]!.id;
    this.failed = { result, overrides: recorder.overrides };
    this.stopped = 'violation';
    return true;
  }

  private ending(): boolean {
    if (this.options.interrupt.aborted) this.stopped = 'interrupted';
    else if (this.options.timeout?.aborted === true) this.stopped = 'duration';
    else return false;
    return true;
  }

  /** Lets the event loop run now and then, and tells how far it is. Returns true if it is to end. */
  private async breathe(phase: string, fraction: number): Promise<boolean> {
    const now = performance.now();
    if (now - this.sliceBegan >= SLICE_MS) {
      const elapsedMs = now - (phase === 'prove' ? this.searchBegan : this.began);
      this.options.onProgress?.({ schedules: this.schedules, elapsedMs, fraction, phase });
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.sliceBegan = performance.now();
    }
    return this.ending();
  }

  result(): ProveResult {
    const { machine, variants, seed } = this.options;
    return {
      runtime: this.runtime,
      violation: this.failed?.result.violations[0],
      proof: {
        scenario: machine.scenario,
        variant: variants.join('+'),
        seed,
        machine: machineHash(machine, variants),
        actors: this.runtime.cpus.map(({ name }) => name),
        method: this.method,
        why: this.why,
        bound: this.method === 'preemptions' ? this.bound : null,
        exhausted: this.method === 'preemptions' ? this.exhausted : null,
        ofNext: this.method === 'preemptions' && !this.complete ? this.inBound : null,
        complete: this.complete,
        stopped: this.stopped,
        schedules: this.schedules,
        redundant: this.redundant,
        truncated: this.truncated,
        unfair: this.unfair,
        steps: this.steps,
        longest: this.longest,
        hash: (this.hash >>> 0).toString(16).padStart(8, '0'),
        estimate: this.estimate ?? null,
        reordered: {
          runs: this.reordered.runs,
          differences: [...this.reordered.differences],
          watched: this.watched?.watched ?? 0,
          races: [...this.reordered.races],
        },
        overrides: this.failed?.overrides ?? null,
        reproduced: this.reproduced,
        elapsedMs: performance.now() - this.began,
        searchMs: performance.now() - this.searchBegan,
      },
    };
  }
}
