/**
 * Small programs: a few words of memory and a few actors, without a machine around them. The kernels of the scoreboard and
 * the programs on which the search itself is tested are of this kind.
 */
import { Arena } from '../arena/arena.ts';
import { computeLayout } from '../arena/layout.ts';
import { PlainCpu, RunLog, type OpListener } from '../cpu/plain-cpu.ts';
import { mix, Stream } from '../cpu/random.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { Interleaver, type Overseer } from '../runtime/interleaver.ts';
import type { Violation } from '../runtime/outcome.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import type { Kept, Runner, RunResult } from './runner.ts';

/** Thrown by an actor of a small program whose assertion fails. */
export class ProgramBug extends Error {
  override readonly name = 'ProgramBug';
}

export interface Program {
  readonly name: string;
  /** Words of memory, all 0 at the start. */
  readonly words: number;
  /** The actors; word i of the program is at `base + i`. */
  readonly actors: readonly ((cpu: PlainCpu, base: number) => Steps<void>)[];
  /** Looks at the final memory; returns what is wrong. */
  readonly check?: (word: (index: number) => number) => string | undefined;
  /** Steps after which a run is cut off; it then counts as no failure. */
  readonly maxSteps?: number;
}

const DEFAULT_MAX_STEPS = 100_000;

export class ProgramRunner implements Runner, Overseer {
  readonly fair = false;
  readonly program: Program;
  readonly cpus: readonly PlainCpu[];
  readonly memory: Int32Array;
  readonly entriesFrom: number;
  maxSteps: number;
  idle: ReadonlySet<number> = new Set();
  kept: Kept = new Map();
  private readonly arena: Arena;
  private readonly base: number;
  readonly log: RunLog = new RunLog();
  private readonly interleaver: Interleaver;
  private moves = 0;
  private bug: Violation | undefined;

  constructor(program: Program) {
    this.program = program;
    this.maxSteps = program.maxSteps ?? DEFAULT_MAX_STEPS;
    const layout = computeLayout({
      tableBits: 2,
      vcpus: 1,
      shards: 1,
      actors: program.actors.length,
      hashBits: 1,
      tables: 1,
      shadowInfos: 1,
      descs: 1,
      slots: [],
      pfns: program.words,
      guestTables: 1,
      tlbBits: 0,
      caches: { objects: 1, splitDesc: 1 },
    });
    this.arena = Arena.tracked(layout);
    this.arena.takeBootImage();
    this.base = layout.memory;
    this.memory = this.arena.w;
    // A program's words are single ones, unless it uses 64-bit operations: then they are pairs from the start.
    this.entriesFrom = layout.memory;
    this.cpus = program.actors.map(
      (_, actor) => new PlainCpu(this.arena, this.log, { actor, name: `actor ${actor}`, cls: 'other' }),
    );
    this.interleaver = new Interleaver(this.cpus, this.arena, this);
  }

  stateHash(): number {
    return this.arena.stateHash();
  }

  /** The word of memory that the program's word `index` is. */
  word(index: number): number {
    return this.base + index;
  }

  /** What a small program computes says nothing without one of its actors. */
  mayIdle(): boolean {
    return false;
  }

  run(scheduler: Scheduler, master: number, schedule: number, listener?: OpListener): RunResult {
    const { arena, cpus, log, base, program } = this;
    const { w } = arena;
    arena.reset();
    log.reset();
    log.listener = listener;
    const actors: (Steps<void> | undefined)[] = [];
    for (let i = 0; i < cpus.length; i++) {
      const cpu = cpus[i]!;
      cpu.at(Op.Pause, 0);
      cpu.kept = this.kept.get(i);
      cpu.seed(mix(master, schedule, Stream.choice, i), mix(master, schedule, Stream.workload, i));
      actors.push(this.idle.has(i) ? undefined : program.actors[i]!(cpu, base));
    }
    scheduler.begin(cpus, schedule);
    this.moves = 0;
    this.bug = undefined;
    log.taker = this.interleaver;
    this.interleaver.run(actors, scheduler);
    const { decisions, preemptions } = this.interleaver;
    let bug = this.bug as Violation | undefined;
    const truncated = this.moves >= this.maxSteps;
    if (bug === undefined && !truncated) {
      const text = program.check?.((index) => w[base + index]!);
      if (text !== undefined) bug = this.violation('check', text, -1);
    }
    scheduler.end?.(decisions, log.steps, bug !== undefined);
    return {
      steps: log.steps,
      decisions,
      preemptions,
      hash: log.digest,
      violations: bug === undefined ? [] : [bug],
      truncated,
      fairSuffixes: 0,
    };
  }

  stepped(): boolean {
    return ++this.moves >= this.maxSteps || this.bug !== undefined;
  }

  deadlocked(): void {
    this.bug = this.violation('deadlock', 'nobody can go on', -1);
  }

  threw(error: unknown, actor: number): void {
    if (!(error instanceof ProgramBug)) throw error;
    this.bug = this.violation('assertion', error.message, actor);
  }

  private violation(id: string, text: string, actor: number): Violation {
    return {
      id,
      text,
      words: [],
      actor,
      actorName: actor < 0 ? 'nobody' : `actor ${actor}`,
      step: this.log.steps,
    };
  }
}
