/**
 * The parallel runtime: the coordinator. Every actor runs on its own thread of a piscina pool, so that nobody who waits
 * can keep somebody from running; the coordinator stops the world to check it, watches for hangs, and merges.
 */
import { setMaxListeners } from 'node:events';
import { Piscina } from 'piscina';
import { actorIdentity } from '../actors/context.ts';
import { Arena } from '../arena/arena.ts';
import type { Layout } from '../arena/layout.ts';
import { C, COUNTER_ROW } from '../cpu/counters.ts';
import type { Engine } from '../mmu/engine.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import type { Machine } from '../scenario/build.ts';
import { bootMachine } from '../scenario/start.ts';
import type { ThreadEntry } from '../scenario/trial.ts';
import { WorldControl } from './control.ts';
import type { Violation } from './outcome.ts';
import type { ActorReply, ActorTask } from './parallel-actor.ts';

export interface PoolOptions {
  readonly threads: number;
  /** The piscina entry point. */
  readonly entry: ThreadEntry;
}

/** A pool with exactly one thread per actor. */
export function makePool(options: PoolOptions): Piscina {
  return new Piscina({
    ...options.entry,
    minThreads: options.threads,
    maxThreads: options.threads,
    concurrentTasksPerWorker: 1,
    idleTimeout: Infinity,
  });
}

export interface RepetitionOptions {
  readonly machine: Machine;
  readonly layout: Layout;
  readonly engine: Engine;
  readonly variants: readonly string[];
  readonly scenarioFile: string | undefined;
  readonly master: number;
  readonly repetition: number;
  readonly pool: Piscina;
  readonly spins: number;
  /** Stop the world this often to run the state checks, in milliseconds; 0 only at the end. */
  readonly stopEveryMs: number;
  /** Without any progress for this long the run counts as hung. */
  readonly hangMs: number;
  /** Runs the state checks on a stopped world. */
  readonly checkWorld: (kvm: Kvm) => Violation[];
  /** Ends the repetition early: by Ctrl-C, or when the time is up. */
  readonly signal: AbortSignal;
  readonly onSample?: (sample: WorldSample) => void;
}

/** What the world looks like at a moment. */
export interface WorldSample {
  /** Milliseconds since the actors started. */
  readonly t: number;
  readonly pages4k: number;
  readonly pages2m: number;
  readonly pages1g: number;
}

export type ActorStatus = 'done' | 'aborted' | 'failed' | 'hung';

export interface ActorOutcome<Measures> {
  readonly name: string;
  readonly cls: string;
  readonly status: ActorStatus;
  readonly error?: string;
  readonly measures?: Measures;
  readonly counters: Float64Array;
}

export interface RepetitionResult<Measures> {
  readonly actors: readonly ActorOutcome<Measures>[];
  readonly violations: readonly Violation[];
  /** Milliseconds the actors ran. */
  readonly durationMs: number;
  /** Times the world was stopped, and milliseconds it stood still. */
  readonly stops: number;
  readonly stoppedMs: number;
  readonly samples: readonly WorldSample[];
  /** Harness errors: a worker that threw, died or hung. */
  readonly errors: readonly string[];
  /** True if the signal ended it before the actors were through. */
  readonly interrupted: boolean;
  /** True if the last check saw a world at rest. */
  readonly finalCheck: boolean;
}

const TICK_MS = 20;
/** A stop that takes longer than this is given up and tried again later. */
const STOP_LIMIT_MS = 1_000;
/** Time actors get to leave after a soft and after a hard abort, before their threads are killed. */
const LEAVE_LIMIT_MS = 2_000;
/** Threads that load sources need seconds to start on a busy machine. */
const START_LIMIT_MS = 60_000;
const MAX_SAMPLES = 2_000;

const GUEST_COUNTERS: ReadonlySet<number> = new Set([
  C.guestReads,
  C.guestWrites,
  C.guestFetches,
  C.guestEntries,
  C.tlbMisses,
  C.tlbFlushes,
]);

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs the machine once from its boot to the end of its actors. */
export async function runRepetition<Measures>(
  options: RepetitionOptions,
): Promise<RepetitionResult<Measures>> {
  return new Repetition<Measures>(options).run();
}

class Repetition<Measures> {
  private readonly options: RepetitionOptions;
  private readonly kvm: Kvm;
  private readonly control: WorldControl;
  private readonly counters: SharedArrayBuffer;
  private readonly buffer: SharedArrayBuffer;
  private readonly replies = new Map<number, ActorReply<Measures>>();
  private readonly failures = new Map<number, { readonly status: ActorStatus; readonly error: string }>();
  private readonly failed = new Set<number>();
  private readonly violations: Violation[] = [];
  private readonly samples: WorldSample[] = [];
  private readonly errors: string[] = [];
  private readonly kill = new AbortController();
  private stops = 0;
  private stoppedMs = 0;
  private pending: number;

  constructor(options: RepetitionOptions) {
    this.options = options;
    // Every thread listens to it, and there may be more threads than Node takes for sensible.
    setMaxListeners(0, this.kill.signal);
    const arena = Arena.shared(options.layout);
    this.buffer = arena.buffer as SharedArrayBuffer;
    this.kvm = bootMachine(options.machine, arena, options.engine);
    this.pending = options.machine.actors.length;
    this.control = new WorldControl(this.kvm, this.pending);
    this.counters = new SharedArrayBuffer(this.pending * COUNTER_ROW * 8);
  }

  async run(): Promise<RepetitionResult<Measures>> {
    const { options } = this;
    const started = performance.now();
    const startNs = Number(process.hrtime.bigint());
    const tasks = options.machine.actors.map((_, actor) => this.start(actor, startNs));
    const interrupted = await this.watch(started);
    const durationMs = performance.now() - started;
    await Promise.all(tasks);
    this.sample(durationMs);

    const finalCheck = this.kvm.w[this.kvm.mmuLock.owner] === 0 && this.failed.size === 0;
    if (finalCheck) this.violations.push(...options.checkWorld(this.kvm));
    for (const reply of this.replies.values()) this.violations.push(...reply.violations);
    const actors = options.machine.actors.map((spec, actor): ActorOutcome<Measures> => {
      const { name, cls } = actorIdentity(spec);
      const reply = this.replies.get(actor);
      const failure = this.failures.get(actor);
      return {
        name,
        cls,
        status: failure?.status ?? reply?.status ?? 'failed',
        ...(failure === undefined ? {} : { error: failure.error }),
        ...(reply === undefined ? {} : { measures: reply.measures }),
        counters: new Float64Array(this.counters, actor * COUNTER_ROW * 8, COUNTER_ROW).slice(),
      };
    });
    return {
      actors,
      violations: this.violations,
      durationMs,
      stops: this.stops,
      stoppedMs: this.stoppedMs,
      samples: this.samples,
      errors: this.errors,
      interrupted,
      finalCheck,
    };
  }

  private async start(actor: number, startNs: number): Promise<void> {
    const { machine, pool, master, repetition, spins, variants, scenarioFile } = this.options;
    const task: ActorTask = {
      machine,
      buffer: this.buffer,
      counters: this.counters,
      actor,
      master,
      repetition,
      spins,
      startNs,
      variants,
      scenarioFile,
    };
    try {
      this.replies.set(actor, (await pool.run(task, { signal: this.kill.signal })) as ActorReply<Measures>);
    } catch (error) {
      this.failed.add(actor);
      if (!this.failures.has(actor)) {
        const { name } = actorIdentity(machine.actors[actor]!);
        const text = describeFailure(error);
        this.failures.set(actor, { status: 'failed', error: text });
        this.errors.push(`${name} failed: ${text}`);
      }
      // Nobody can go on safely without it: it may have died holding a lock.
      this.control.abort(false);
    } finally {
      this.pending--;
    }
  }

  /** Ticks until all actors have ended. Returns true if the signal cut the run short. */
  private async watch(started: number): Promise<boolean> {
    const { options } = this;
    let lastStop = performance.now();
    let lastProgress = lastStop;
    let progress = -1;
    let leaving: number | undefined;
    let hard = false;
    let interrupted = false;
    while (this.pending > 0) {
      await sleep(TICK_MS);
      const now = performance.now();
      this.sample(now - started);
      const sum = this.progressSum();
      const starting = now - started < START_LIMIT_MS && !this.control.allStarted(this.failed);
      if (sum !== progress || starting) {
        progress = sum;
        lastProgress = now;
      }
      if (leaving === undefined) {
        if (options.signal.aborted) {
          interrupted = true;
          leaving = now;
          this.control.abort(false);
        } else if (this.failed.size > 0) leaving = now;
        else if (now - lastProgress > options.hangMs) {
          this.reportHang();
          leaving = now;
          this.control.abort(false);
        } else if (options.stopEveryMs > 0 && now - lastStop > options.stopEveryMs && this.pending > 0) {
          const inspected = await this.stopAndCheck();
          lastStop = performance.now();
          // Nobody can make progress in a stopped world; a world that will not stop may be a hung one.
          if (inspected) lastProgress += lastStop - now;
        }
      } else if (starting)
        leaving = now; // A thread that is still loading cannot leave.
      else if (now - leaving > LEAVE_LIMIT_MS) {
        if (hard) this.kill.abort();
        else this.control.abort(true);
        hard = true;
        leaving = now;
      }
    }
    return interrupted;
  }

  /** Everything that was counted but what a guest does by itself: it runs until the others are through. */
  private progressSum(): number {
    const rows = new Float64Array(this.counters);
    let sum = 0;
    for (let i = 0; i < rows.length; i++) if (!GUEST_COUNTERS.has(i % COUNTER_ROW)) sum += rows[i]!;
    return sum;
  }

  private reportHang(): void {
    const { machine, hangMs } = this.options;
    const lines = machine.actors.map((spec, actor) => this.control.describe(actor, actorIdentity(spec).name));
    const owner = this.kvm.w[this.kvm.mmuLock.owner]!;
    const held =
      owner === 0
        ? 'nobody holds mmu_lock'
        : `mmu_lock is held by ${actorIdentity(machine.actors[owner - 1]!).name}`;
    machine.actors.forEach((spec, actor) => {
      if (this.replies.has(actor) || this.failures.has(actor) || !this.control.blocked(actor)) return;
      this.failures.set(actor, {
        status: 'hung',
        error: this.control.describe(actor, actorIdentity(spec).name),
      });
    });
    this.errors.push(`no progress for ${hangMs / 1000} s: ${lines.join('; ')}; ${held}`);
  }

  /** Returns false if the world would not stop. */
  private async stopAndCheck(): Promise<boolean> {
    const began = performance.now();
    this.control.requestStop();
    while (!this.control.stopped(this.failed)) {
      if (performance.now() - began > STOP_LIMIT_MS || this.options.signal.aborted || this.failed.size > 0) {
        this.control.resume();
        return false;
      }
      await sleep(1);
      this.control.requestStop();
    }
    this.stops++;
    this.violations.push(...this.options.checkWorld(this.kvm));
    this.control.resume();
    this.stoppedMs += performance.now() - began;
    return true;
  }

  private sample(t: number): void {
    if (this.samples.length >= MAX_SAMPLES) return;
    const sample: WorldSample = {
      t,
      pages4k: this.kvm.get(KVM.pages),
      pages2m: this.kvm.get(KVM.pages + 1),
      pages1g: this.kvm.get(KVM.pages + 2),
    };
    const last = this.samples[this.samples.length - 1];
    if (
      last === undefined ||
      last.pages4k !== sample.pages4k ||
      last.pages2m !== sample.pages2m ||
      last.pages1g !== sample.pages1g
    ) {
      this.samples.push(sample);
    }
    this.options.onSample?.(sample);
  }
}

/** One line for an error that came out of a worker. */
function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as { code?: unknown }).code;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return 'its thread ran out of memory';
  if (error.name === 'AbortError') return 'its thread did not end when told to and was killed';
  return `${error.message}${typeof code === 'string' ? ` (${code})` : ''}`;
}
