/**
 * The controlled runtime: one thread, one scheduler, a decision at every visible operation (design 2).
 *
 * A machine is booted once; its arena is taken as the boot image, and every schedule starts from there. A run is a
 * function of (machine, engine, scheduler, master seed, schedule number).
 */
import type { CustomActor } from '../actors/context.ts';
import { actorIdentity } from '../actors/context.ts';
import { mayStayAway, stayAway } from '../actors/idle.ts';
import { Arena } from '../arena/arena.ts';
import { watchedArena, type PlainWatch } from '../arena/watched.ts';
import type { Layout } from '../arena/layout.ts';
import { HELD_SLOTS, type Cpu } from '../cpu/cpu.ts';
import { PlainCpu, RunLog, type OpListener } from '../cpu/plain-cpu.ts';
import { Op, OP_NAMES, type Steps } from '../cpu/steps.ts';
import { KernelBug } from '../mmu/bug.ts';
import { describeWord } from '../mmu/describe.ts';
import type { Engine } from '../mmu/engine.ts';
import { Kvm } from '../mmu/kvm.ts';
import { Observer, type RuleBreak } from '../mmu/observer.ts';
import type { Machine } from '../scenario/build.ts';
import { bootMachine, seedActor, startActor } from '../scenario/start.ts';
import { Interleaver, type Overseer } from './interleaver.ts';
import { DEFAULT_LIVELOCK_STEPS, Liveness } from './liveness.ts';
import type { Violation } from './outcome.ts';
import type { Scheduler } from './scheduler.ts';

/** What watches a run: observes the model, checks states, collects what is broken. */
export interface Judge {
  /** The observer to install; it calls `report` for everything it finds broken. */
  observer(kvm: Kvm, report: (cpu: Cpu | undefined, rule: RuleBreak) => void): Observer;
  /** Forgets what it knows of the last schedule. */
  begin(kvm: Kvm): void;
  /** All actors have ended. */
  atEnd(kvm: Kvm, report: (cpu: Cpu | undefined, rule: RuleBreak) => void): void;
}

export interface ControlledOptions {
  readonly machine: Machine;
  readonly layout: Layout;
  readonly engine: Engine;
  readonly judge: Judge;
  readonly custom?: Readonly<Record<string, CustomActor>> | undefined;
  /** Ids whose findings do not count. */
  readonly without?: ReadonlySet<string> | undefined;
  /** Steps without progress, everybody taking turns, that count as a livelock. */
  readonly livelockSteps?: number;
  /** Steps of waiting for mmu_lock, or of a pass without a split, everybody taking turns, that count as starvation. */
  readonly starvationSteps?: number | undefined;
  /** Steps after which a run is cut off as inconclusive. */
  readonly maxSteps?: number;
  /** Told of every access of the model, in the boot too, that is no visible operation; slow. */
  readonly watch?: PlainWatch | undefined;
}

export interface ControlledResult {
  readonly schedule: number;
  readonly steps: number;
  /** Steps at which there was a choice. */
  readonly decisions: number;
  /** Times the scheduler left an actor that could have gone on, neither at a safepoint nor between two moves. */
  readonly preemptions: number;
  readonly hash: string;
  readonly violations: readonly Violation[];
  /** True if the run was cut off at `maxSteps`: it was long, but got on. */
  readonly truncated: boolean;
  /** Times the strategy had starved somebody for so long that everybody got a turn for a while. */
  readonly fairSuffixes: number;
}

const DEFAULT_MAX_STEPS = 50_000_000;

export class ControlledRuntime implements Overseer {
  /** For whoever looks on; what it reads is not told to a watch. */
  readonly kvm: Kvm;
  /** What the actors run on. */
  private readonly model: Kvm;
  readonly cpus: readonly PlainCpu[];
  readonly log: RunLog = new RunLog();
  readonly machine: Machine;
  /** Words from here on are parts of 8-byte entries: bitmaps, buffers and tables. */
  readonly entriesFrom: number;
  /** Steps after which a run is cut off as inconclusive; may be changed between runs. */
  maxSteps: number;
  /** Actors that stay away, by number; may be changed between runs. */
  idle: ReadonlySet<number> = new Set();
  /** The only moves that an actor makes, by its number; may be changed between runs. */
  kept: ReadonlyMap<number, readonly number[]> = new Map();
  private readonly options: ControlledOptions;
  private readonly arena: Arena;
  private readonly violations: Violation[] = [];
  private truncated = false;
  private readonly liveness: Liveness;
  private readonly interleaver: Interleaver;
  private actors: readonly (Steps<void> | undefined)[] = [];

  constructor(options: ControlledOptions) {
    this.options = options;
    this.machine = options.machine;
    this.entriesFrom = options.layout.pml;
    this.maxSteps = options.maxSteps ?? DEFAULT_MAX_STEPS;
    this.arena = Arena.tracked(options.layout);
    const { machine, engine, watch } = options;
    const seen = watch === undefined ? this.arena : watchedArena(this.arena, watch);
    this.model = bootMachine(machine, seen, engine);
    this.kvm = watch === undefined ? this.model : new Kvm(machine.config, this.arena, engine);
    this.arena.takeBootImage();
    this.cpus = options.machine.actors.map(
      (spec, actor) => new PlainCpu(this.arena, this.log, { actor, ...actorIdentity(spec) }),
    );
    this.interleaver = new Interleaver(this.cpus, this.arena, this);
    const observer = options.judge.observer(this.kvm, this.report);
    this.kvm.observer = observer;
    this.model.observer = observer;
    if (observer.plainStore64 !== Observer.prototype.plainStore64) {
      this.log.plainStore64 = (cpu, word, lo, hi) => observer.plainStore64(cpu, word, lo, hi);
    }
    this.liveness = new Liveness({
      cpus: this.cpus,
      livelockSteps: options.livelockSteps ?? DEFAULT_LIVELOCK_STEPS,
      starvationSteps: options.starvationSteps ?? DEFAULT_LIVELOCK_STEPS,
      report: this.report,
      now: () => this.log.steps,
      describe: () => this.describeActors(this.actors),
    });
    this.liveness.listenTo(observer);
  }

  private readonly report = (cpu: Cpu | undefined, rule: RuleBreak): void => {
    if (this.options.without?.has(rule.id) === true) return;
    const actor = cpu ?? this.cpus[this.interleaver.current];
    this.violations.push({
      ...rule,
      actor: actor?.actor ?? -1,
      actorName: actor?.name ?? 'nobody',
      step: this.log.steps,
    });
  };

  mayIdle(actor: number): boolean {
    return mayStayAway(this.machine.actors[actor]!);
  }

  /** Runs one schedule from the boot image. `listener` sees every operation, for traces. */
  run(scheduler: Scheduler, master: number, schedule: number, listener?: OpListener): ControlledResult {
    const { arena, cpus, log, kvm, model, options } = this;
    arena.reset();
    log.reset();
    log.listener = listener;
    if (this.violations.length > 0) this.violations.length = 0;
    const actors: (Steps<void> | undefined)[] = [];
    this.actors = actors;
    for (let i = 0; i < cpus.length; i++) {
      const cpu = cpus[i]!;
      cpu.held = 0;
      cpu.mmuReleases = 0;
      cpu.at(Op.Pause, 0);
      cpu.kept = this.kept.get(i);
      seedActor(cpu, master, schedule);
      const spec = options.machine.actors[i]!;
      const idle = this.idle.has(i);
      if (idle) stayAway(model, spec);
      actors.push(idle ? undefined : startActor(model, cpu, spec, options.custom));
    }
    options.judge.begin(kvm);
    scheduler.begin(cpus, schedule);
    this.liveness.begin();
    this.truncated = false;
    log.taker = this.interleaver;
    this.interleaver.run(actors, scheduler);
    const { truncated, violations, liveness } = this;
    const { decisions, preemptions } = this.interleaver;
    this.interleaver.current = -1;
    if (violations.length === 0 && !truncated) options.judge.atEnd(kvm, this.report);
    scheduler.end?.(decisions, log.steps, violations.length > 0);
    return {
      schedule,
      steps: log.steps,
      decisions,
      preemptions,
      hash: log.digest,
      violations: [...violations],
      truncated,
      fairSuffixes: liveness.suffixes,
    };
  }

  get fair(): boolean {
    return this.liveness.fair;
  }

  stepped(): boolean {
    const { violations, log } = this;
    if (violations.length > 0) return true;
    this.liveness.step(log.steps);
    if (violations.length > 0) return true;
    this.truncated = log.steps >= this.maxSteps;
    return this.truncated;
  }

  deadlocked(actors: readonly (Steps<void> | undefined)[]): void {
    const waiting = this.cpus.filter((_, i) => actors[i] !== undefined);
    this.report(waiting[0], {
      id: 'deadlock',
      text: `nobody can go on: ${this.describeActors(actors)}`,
      words: waiting.map((cpu) => cpu.pendingWord),
    });
  }

  threw(error: unknown, actor: number): void {
    if (!(error instanceof KernelBug)) throw error;
    this.report(this.cpus[actor], { id: error.id, text: error.message, words: error.words });
  }

  /** What each live actor is at, and who holds mmu_lock. */
  private describeActors(actors: readonly (Steps<void> | undefined)[]): string {
    const { kvm } = this;
    const live = this.cpus.filter((_, i) => actors[i] !== undefined);
    const lines = live.map((cpu) => {
      const { name, pendingOp, pendingWord } = cpu;
      const blocked = pendingOp === Op.Wait && kvm.w[pendingWord] === cpu.pendingExpected;
      if (blocked) return `${name} waits on ${describeWord(kvm, pendingWord)}`;
      // Where somebody spins is seen at what it comes to next.
      const next =
        pendingOp === Op.Pause ? '' : `, to ${OP_NAMES[pendingOp]} ${describeWord(kvm, pendingWord)} next`;
      return `${name} can run${next}`;
    });
    const owner = kvm.w[kvm.mmuLock.owner]!;
    const held =
      owner === 0
        ? 'nobody holds mmu_lock'
        : `mmu_lock is held by ${this.cpus[owner - 1]?.name ?? `actor ${owner - 1}`}`;
    const slotsHolder = live.find((cpu) => (cpu.held & HELD_SLOTS) !== 0);
    return `${lines.join('; ')}; ${held}${slotsHolder === undefined ? '' : `; slots_lock is held by ${slotsHolder.name}`}`;
  }

  /** The machine's memory, as words. */
  get memory(): Int32Array {
    return this.arena.w;
  }

  /** A hash of the memory as the last run left it. */
  stateHash(): number {
    return this.arena.stateHash();
  }

  /** Chunks of memory that the last schedule touched. */
  get touchedChunks(): number {
    return this.arena.touchedChunks;
  }
}
