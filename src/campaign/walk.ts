/** Walking a recorded run forward and back: the machine's own memory is taken to the state after any step. */
import { fanOut } from '../check/fan-out.ts';
import { masterSeed } from '../cpu/random.ts';
import { briefWord, describeSpte, isSpteWord } from '../mmu/describe.ts';
import type { StepView } from '../report/step-view.ts';
import type { RecordedStep } from '../report/trace.ts';
import type { ControlledResult, ControlledRuntime } from '../runtime/controlled.ts';
import { runtimeOf, schedulerOf, type RunSpec } from './run-spec.ts';
import { StepStates, type WordChange } from './step-states.ts';
import { TraceRecorder } from './trace-recorder.ts';

export class Walk {
  readonly rows: readonly RecordedStep[];
  readonly result: ControlledResult;
  /** The step whose state the memory is in; 0 is the start. */
  at: number;
  private readonly runtime: ControlledRuntime;
  private readonly changes: readonly (readonly WordChange[])[];

  /** Makes the run. It starts at the first step. */
  constructor(spec: RunSpec) {
    const runtime = runtimeOf(spec);
    const { kvm } = runtime;
    const recorder = new TraceRecorder(() => kvm);
    const states = new StepStates(kvm.arena, () => runtime.log.steps);
    kvm.observer = fanOut([kvm.observer, recorder.events]);
    const scheduler = states.wrap(recorder.wrap(schedulerOf(runtime, spec)));
    this.result = runtime.run(scheduler, masterSeed(spec.seed), spec.schedule, recorder);
    this.runtime = runtime;
    this.rows = recorder.rows;
    this.changes = states.changes;
    this.at = recorder.rows.length;
    this.go(0);
  }

  get last(): number {
    return this.rows.length;
  }

  /** Goes to the state after step `step`, or as near as there is. */
  go(step: number): void {
    const { w } = this.runtime.kvm;
    const target = Math.min(this.last, Math.max(0, step));
    for (; this.at < target; this.at++)
      for (const { word, after } of this.changes[this.at + 1] ?? []) w[word] = after;
    for (; this.at > target; this.at--)
      for (const { word, before } of (this.changes[this.at] ?? []).toReversed()) w[word] = before;
  }

  /** The next step after `at`, or the previous one before it, at which the scheduler switched like this; `at` if there is none. */
  find(direction: 1 | -1, matches: (row: RecordedStep) => boolean): number {
    for (let step = this.at + direction; step >= 1 && step <= this.last; step += direction)
      if (matches(this.rows[step - 1]!)) return step;
    return this.at;
  }

  /** What there is to see at the present step. */
  view(): StepView {
    const { kvm, cpus } = this.runtime;
    const violation = this.result.violations[0];
    const preempted = this.rows.flatMap((row) => (row.because === 'preempted' ? [row.step] : []));
    return {
      at: this.at,
      last: this.last,
      actors: cpus.map((cpu) => cpu.name),
      step: this.rows[this.at - 1],
      next: cpus.map((_, actor) => this.rows.slice(this.at).find((row) => row.actor === actor)),
      changed: this.describe(this.at === 0 ? [] : (this.changes[this.at] ?? [])),
      preemptions: { before: preempted.filter((step) => step <= this.at).length, all: preempted.length },
      violation:
        violation === undefined || this.at < this.last ? undefined : `${violation.id}: ${violation.text}`,
      owner: kvm.w[kvm.mmuLock.owner]! - 1,
    };
  }

  /** The changes in words, an 8-byte entry in one. The memory is in the state after them. */
  private describe(changes: readonly WordChange[]): { name: string; was: string; value: string }[] {
    const { kvm } = this.runtime;
    const { w } = kvm;
    const before = new Map(changes.map(({ word, before: value }) => [word, value]));
    const entry = (word: number): boolean => word >= kvm.layout.guestTables;
    const words = [...new Set(changes.map(({ word }) => (entry(word) ? word & ~1 : word)))].sort(
      (a, b) => a - b,
    );
    return words.map((word) => {
      const show = (read: (at: number) => number): string => {
        if (isSpteWord(kvm, word)) return describeSpte(kvm, read(word), read(word + 1));
        const hi = entry(word) ? read(word + 1) : 0;
        const lo = read(word);
        if (hi === 0) return Math.abs(lo) < 1024 ? String(lo) : `0x${(lo >>> 0).toString(16)}`;
        return `0x${(hi >>> 0).toString(16)}${(lo >>> 0).toString(16).padStart(8, '0')}`;
      };
      return {
        name: briefWord(kvm, word),
        was: show((at) => before.get(at) ?? w[at]!),
        value: show((at) => w[at]!),
      };
    });
  }
}
