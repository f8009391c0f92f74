/**
 * Small programs: a few words of memory and a few actors, without a machine around them. The kernels of the scoreboard and
 * the programs on which the search itself is tested are of this kind.
 */
import { Arena } from '../arena/arena.ts';
import { computeLayout } from '../arena/layout.ts';
import { PlainCpu, RunLog, type OpListener } from '../cpu/plain-cpu.ts';
import { mix, Stream } from '../cpu/random.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import type { Violation } from '../runtime/outcome.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import type { Runner, RunResult } from './runner.ts';

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

export class ProgramRunner implements Runner {
  readonly program: Program;
  readonly cpus: readonly PlainCpu[];
  readonly memory: Int32Array;
  readonly entriesFrom: number;
  maxSteps: number;
  idle: ReadonlySet<number> = new Set();
  private readonly arena: Arena;
  private readonly base: number;
  readonly log: RunLog = new RunLog();
  private readonly enabled: Int32Array;

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
    this.enabled = new Int32Array(program.actors.length);
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
    const { arena, cpus, log, enabled, base, program } = this;
    const { w } = arena;
    arena.reset();
    log.reset();
    log.listener = listener;
    const actors: (Steps<void> | undefined)[] = [];
    for (let i = 0; i < cpus.length; i++) {
      const cpu = cpus[i]!;
      cpu.at(Op.Pause, 0);
      cpu.atSafepoint = false;
      cpu.choices.seed(mix(master, schedule, Stream.choice, i));
      actors.push(this.idle.has(i) ? undefined : program.actors[i]!(cpu, base));
    }
    scheduler.begin(cpus, schedule);
    const { maxSteps } = this;
    let live = actors.length - this.idle.size;
    let current = -1;
    let decisions = 0;
    let preemptions = 0;
    let moves = 0;
    let bug: Violation | undefined;
    while (live > 0 && bug === undefined && moves < maxSteps) {
      let count = 0;
      let currentEnabled = false;
      for (let i = 0; i < cpus.length; i++) {
        if (actors[i] === undefined) continue;
        const cpu = cpus[i]!;
        if (cpu.pendingOp === Op.Wait && w[cpu.pendingWord] === cpu.pendingExpected) continue;
        if (i === current) currentEnabled = true;
        enabled[count++] = i;
      }
      if (count === 0) {
        bug = this.violation('deadlock', 'nobody can go on', -1);
        break;
      }
      let next = enabled[0]!;
      if (count > 1) {
        next = scheduler.pick(enabled, count, current);
        decisions++;
      }
      if (currentEnabled && next !== current && !cpus[current]!.atSafepoint) preemptions++;
      scheduler.step?.(next);
      current = next;
      moves++;
      try {
        if (actors[next]!.next().done === true) {
          actors[next] = undefined;
          live--;
        }
      } catch (error) {
        if (!(error instanceof ProgramBug)) throw error;
        bug = this.violation('assertion', error.message, next);
      }
    }
    const truncated = moves >= maxSteps;
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
