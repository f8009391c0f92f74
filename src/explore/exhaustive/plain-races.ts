/**
 * Do two steps share what no visible operation names? Partial-order reduction takes steps for independent if their operations
 * are, and does not look at the private code after the operation. Here every plain access of a run is put down to its step.
 * Two accesses of one word by different actors, at least one of them plain and one of them a write, are a race unless one of
 * the two steps happened before the other by way of the visible operations: nothing else keeps them in order in the runs that
 * the search leaves out. A run without a race is one whose independent steps can change places without anybody noticing.
 *
 * What counts for readers is the bits that change: hardware that sets A in an entry does not disturb who looks whether the entry
 * is present. A plain write is a race with any other write of its word, as it would put back what was changed meanwhile.
 */
import type { PlainWatch } from '../../arena/watched.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import type { OpListener } from '../../cpu/plain-cpu.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import { Effect, type Execution } from './execution.ts';
import { Recorder } from './recorder.ts';

/** One side of a race. */
export interface Access {
  readonly step: number;
  readonly actor: number;
  readonly plain: boolean;
  readonly kind: AccessKind;
  /** Bits read or changed. */
  readonly mask: number;
}
export type AccessKind = 'reads' | 'writes' | 'tallies';

export interface PlainRace {
  readonly word: number;
  readonly first: Access;
  readonly second: Access;
}

/** A plain access of the step in progress. */
interface Touched {
  /** The word before the step's first plain access. */
  readonly before: number;
  /** Bits read. */
  read: number;
  wrote: boolean;
  tallied: boolean;
}

/** Accesses of a word by actor, oldest first. */
interface Known {
  readonly reads: readonly Access[][];
  readonly changes: readonly Access[][];
}

/** Wraps a scheduler and a listener; is to be the runtime's watch as well. */
export class PlainRaces implements Scheduler, OpListener, PlainWatch {
  /** The races of the last run, in the order of their second accesses. */
  readonly found: PlainRace[] = [];
  private readonly inner: Scheduler;
  private readonly listener: OpListener | undefined;
  private readonly recorder: Recorder;
  private readonly memory: Int32Array;
  private cpus: readonly Cpu[] = [];
  private readonly known = new Map<number, Known>();
  private readonly touched = new Map<number, Touched>();
  /** Between `begin` and `end`: neither the boot nor the judge counts. */
  private active = false;
  /** The two words that the step may change by its operation, before it. */
  private before0 = 0;
  private before1 = 0;
  private changed0 = 0;
  private changed1 = 0;

  constructor(inner: Scheduler, listener: OpListener | undefined, actors: number, memory: Int32Array) {
    this.inner = inner;
    this.listener = listener;
    this.memory = memory;
    this.recorder = new Recorder(actors, memory);
  }

  get execution(): Execution {
    return this.recorder.execution;
  }

  /** Number of the step in progress. */
  get stepNow(): number {
    return this.execution.count;
  }

  begin(cpus: readonly Cpu[], schedule: number): void {
    this.recorder.execution.truncate(0);
    this.recorder.begin(cpus);
    this.cpus = cpus;
    this.known.clear();
    this.touched.clear();
    this.found.length = 0;
    this.active = true;
    this.inner.begin(cpus, schedule);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    return this.inner.pick(enabled, count, current);
  }

  step(actor: number): void {
    this.settle();
    const { pendingWord } = this.cpus[actor]!;
    this.before0 = this.memory[pendingWord]!;
    this.before1 = this.memory[pendingWord + 1]!;
    this.recorder.step(actor);
    this.inner.step?.(actor);
  }

  operation(cpu: Cpu, op: number, word: number, lo: number, hi: number): void {
    this.recorder.operation(cpu, op, word);
    this.listener?.operation(cpu, op, word, lo, hi);
    this.changed0 = this.memory[word]! ^ this.before0;
    this.changed1 = this.memory[word + 1]! ^ this.before1;
  }

  end(decisions: number, steps: number, failed: boolean): void {
    this.settle();
    this.active = false;
    this.inner.end?.(decisions, steps, failed);
  }

  read(word: number, mask: number): void {
    if (this.active) this.touch(word).read |= mask;
  }

  write(word: number): void {
    if (this.active) this.touch(word).wrote = true;
  }

  tally(word: number): void {
    if (this.active) this.touch(word).tallied = true;
  }

  private touch(word: number): Touched {
    let touched = this.touched.get(word);
    if (touched === undefined) {
      touched = { before: this.memory[word]!, read: 0, wrote: false, tallied: false };
      this.touched.set(word, touched);
    }
    return touched;
  }

  private settle(): void {
    if (!this.recorder.settle()) return;
    const { execution, touched } = this;
    const step = execution.count - 1;
    for (const [word, { before, read, wrote, tallied }] of touched) {
      const changed = before ^ this.memory[word]!;
      if (wrote) this.access(word, step, true, 'writes', changed);
      else if (tallied) this.access(word, step, true, 'tallies', changed);
      if (read !== 0) this.access(word, step, true, 'reads', read);
    }
    touched.clear();
    if (execution.effect[step] === Effect.none) return;
    this.operated(step, execution.word[step]!, this.changed0);
    if (execution.wide[step] === 1) this.operated(step, execution.word[step]! + 1, this.changed1);
  }

  private operated(step: number, word: number, changed: number): void {
    this.access(word, step, false, changed === 0 ? 'reads' : 'writes', changed === 0 ? -1 : changed);
  }

  private access(word: number, step: number, plain: boolean, kind: AccessKind, mask: number): void {
    const { execution } = this;
    const access: Access = { step, actor: execution.actor[step]!, plain, kind, mask };
    let known = this.known.get(word);
    if (known === undefined) {
      known = { reads: this.cpus.map(() => []), changes: this.cpus.map(() => []) };
      this.known.set(word, known);
    }
    this.compare(access, word, known.changes);
    if (kind !== 'reads') this.compare(access, word, known.reads);
    const own = (kind === 'reads' ? known.reads : known.changes)[access.actor]!;
    // Who races with the one before races with this one too.
    while (own.length > 0 && covers(access, own[own.length - 1]!)) own.pop();
    own.push(access);
  }

  private compare(access: Access, word: number, known: readonly Access[][]): void {
    const { execution, found } = this;
    for (let actor = 0; actor < known.length; actor++) {
      if (actor === access.actor) continue;
      const others = known[actor]!;
      // What came before an access that happened before this one did so too.
      for (let i = others.length - 1; i >= 0 && !execution.ordered(others[i]!.step, access.step); i--) {
        if (conflict(others[i]!, access)) found.push({ word, first: others[i]!, second: access });
      }
    }
  }
}

function covers(later: Access, earlier: Access): boolean {
  return later.kind === earlier.kind && (later.plain || !earlier.plain) && (earlier.mask & ~later.mask) === 0;
}

function conflict(a: Access, b: Access): boolean {
  if ((!a.plain && !b.plain) || (a.kind === 'reads' && b.kind === 'reads')) return false;
  if (a.kind === 'reads' || b.kind === 'reads') return (a.mask & b.mask) !== 0;
  return a.kind !== 'tallies' || b.kind !== 'tallies';
}
