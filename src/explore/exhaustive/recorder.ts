/** Builds the Execution of a run from what a scheduler and an operation listener are told. */
import type { Cpu } from '../../cpu/cpu.ts';
import type { OpListener } from '../../cpu/plain-cpu.ts';
import { is64, Op } from '../../cpu/steps.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import { Effect, Execution, type EffectKind } from './execution.ts';

/**
 * `step` is called before each step, `operation` while it happens, and the step is recorded when the next one begins or
 * `settle` is called. The first `skip` steps of a run are known from the run before and only counted.
 */
export class Recorder implements OpListener {
  readonly execution: Execution;
  /** Steps at the start of the coming run that are in the execution already. */
  skip = 0;
  /** Steps begun in this run. */
  begun = 0;
  private readonly memory: Int32Array;
  private cpus: readonly Cpu[] = [];
  private actor = -1;
  private effect: EffectKind = Effect.none;
  private op = 0;
  private word = 0;
  private before0 = 0;
  private before1 = 0;
  private expected = 0;

  constructor(actors: number, memory: Int32Array) {
    this.memory = memory;
    this.execution = new Execution(actors, memory.length);
  }

  begin(cpus: readonly Cpu[]): void {
    this.cpus = cpus;
    this.begun = 0;
    this.actor = -1;
  }

  step(actor: number): void {
    this.settle();
    this.begun++;
    if (this.begun <= this.skip) return;
    const cpu = this.cpus[actor]!;
    this.actor = actor;
    this.effect = Effect.none;
    this.op = cpu.pendingOp;
    this.word = cpu.pendingWord;
    this.expected = cpu.pendingExpected;
    if (this.op === Op.Pause || this.op === Op.Fence) return;
    this.before0 = this.memory[this.word]!;
    this.before1 = is64(this.op) ? this.memory[this.word + 1]! : 0;
  }

  operation(_cpu: Cpu, op: number, word: number): void {
    if (this.actor < 0 || op === Op.Pause || op === Op.Fence) return;
    const { memory } = this;
    const changed = memory[word] !== this.before0 || (is64(op) && memory[word + 1] !== this.before1);
    this.effect = changed ? Effect.write : Effect.read;
  }

  /** Records the step in progress. Returns true if there was one. */
  settle(): boolean {
    if (this.actor < 0) return false;
    const wide = is64(this.op);
    const { actor, effect, op, word, before0, before1, expected } = this;
    this.actor = -1;
    this.execution.push(actor, effect, op, word, wide, before0, before1, expected);
    return true;
  }
}

/** Wraps a scheduler and records all of its run. */
export class RecordedRun implements Scheduler, OpListener {
  readonly recorder: Recorder;
  private readonly inner: Scheduler;

  constructor(inner: Scheduler, actors: number, memory: Int32Array) {
    this.inner = inner;
    this.recorder = new Recorder(actors, memory);
  }

  get execution(): Execution {
    return this.recorder.execution;
  }

  begin(cpus: readonly Cpu[], schedule: number): void {
    this.recorder.execution.truncate(0);
    this.recorder.begin(cpus);
    this.inner.begin(cpus, schedule);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    return this.inner.pick(enabled, count, current);
  }

  step(actor: number): void {
    this.recorder.step(actor);
    this.inner.step?.(actor);
  }

  operation(cpu: Cpu, op: number, word: number): void {
    this.recorder.operation(cpu, op, word);
  }

  end(decisions: number, steps: number, failed: boolean): void {
    this.recorder.settle();
    this.inner.end?.(decisions, steps, failed);
  }
}
