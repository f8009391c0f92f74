/**
 * Liveness in the controlled runtime (explorer notes 4.11). A scheduler may starve anybody for as long as it likes, so that a
 * wait that takes long is no finding by itself. It is a *suspicion*: from there on everybody gets a turn, round by number (the
 * fair suffix of Coyote; the second phase of TigerBeetle's simulator), all counts begin anew, and only what is still true then
 * is reported. If it passes, the strategy goes on.
 *
 * Suspected are: steps without progress by anybody (livelock), a step check that depends on who is scheduled (D13), and two
 * temperatures, which rise with every step while something is asked for and fall to nothing when it is had: an actor that waits
 * for mmu_lock, and a split pass that splits nothing.
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { Observer, RuleBreak } from '../mmu/observer.ts';

/** Steps without progress, and at a temperature, that are suspicious, and that are a finding under a fair scheduler. */
export const DEFAULT_LIVELOCK_STEPS = 20_000;
/** Steps between two looks at the temperatures. */
const LOOK_EVERY = 64;

/** Since when each actor has been asking for something; -1 if it is not. */
class Heat {
  readonly since: Int32Array;

  constructor(actors: number) {
    this.since = new Int32Array(actors).fill(-1);
  }

  cool(): void {
    this.since.fill(-1);
  }

  /** Counts begin anew: what is hot is as if it had been asked for now. */
  restart(now: number): void {
    for (let actor = 0; actor < this.since.length; actor++) {
      if (this.since[actor]! >= 0) this.since[actor] = now;
    }
  }

  /** The actor that is hotter than `limit`, -1 if none is. */
  over(now: number, limit: number): number {
    for (let actor = 0; actor < this.since.length; actor++) {
      if (this.since[actor]! >= 0 && now - this.since[actor]! > limit) return actor;
    }
    return -1;
  }
}

export interface LivenessOptions {
  readonly cpus: readonly Cpu[];
  readonly livelockSteps: number;
  readonly starvationSteps: number;
  readonly report: (cpu: Cpu | undefined, rule: RuleBreak) => void;
  readonly now: () => number;
  /** What the actors are at, for a report. */
  readonly describe: () => string;
}

export class Liveness {
  /** True while everybody gets a turn. */
  fair = false;
  /** Fair suffixes of this run. */
  suffixes = 0;
  private readonly options: LivenessOptions;
  private readonly waiting: Heat;
  private readonly passes: Heat;
  private observer: Observer | undefined;
  private lastProgress = 0;
  private fairFrom = 0;
  private nextLook = 0;

  constructor(options: LivenessOptions) {
    this.options = options;
    this.waiting = new Heat(options.cpus.length);
    this.passes = new Heat(options.cpus.length);
  }

  begin(): void {
    this.fair = false;
    this.suffixes = 0;
    this.lastProgress = 0;
    this.nextLook = 0;
    this.waiting.cool();
    this.passes.cool();
  }

  /** Listens to what the model tells, before whoever listens already. */
  listenTo(observer: Observer): void {
    this.observer = observer;
    const { waiting, passes } = this;
    const { now } = this.options;
    const progress = observer.progress.bind(observer);
    observer.progress = (cpu) => {
      this.lastProgress = now();
      progress(cpu);
    };
    const lockOrder = observer.lockOrder.bind(observer);
    observer.lockOrder = (cpu, lock, taken) => {
      if (taken && lock === 'mmu_lock') waiting.since[cpu.actor] = now();
      lockOrder(cpu, lock, taken);
    };
    const mmuLocked = observer.mmuLocked.bind(observer);
    observer.mmuLocked = (cpu) => {
      waiting.since[cpu.actor] = -1;
      mmuLocked(cpu);
    };
    const splitPass = observer.splitPass.bind(observer);
    observer.splitPass = (cpu, slot, start, end, begin) => {
      passes.since[cpu.actor] = begin ? now() : -1;
      splitPass(cpu, slot, start, end, begin);
    };
    const splitLinked = observer.splitLinked.bind(observer);
    observer.splitLinked = (cpu, sptep, sp, lo, hi) => {
      if (passes.since[cpu.actor]! >= 0) passes.since[cpu.actor] = now();
      splitLinked(cpu, sptep, sp, lo, hi);
    };
    observer.suspected = (cpu, rule) => this.suspect(cpu, rule);
  }

  /** Something that a fair scheduler should end: begins a fair suffix, or is reported if there is one. */
  suspect(cpu: Cpu | undefined, rule: RuleBreak): void {
    if (this.fair) this.options.report(cpu, rule);
    else this.goFair();
  }

  private goFair(): void {
    const now = this.options.now();
    this.fair = true;
    this.suffixes++;
    this.fairFrom = now;
    this.lastProgress = now;
    this.waiting.restart(now);
    this.passes.restart(now);
    this.observer?.fairSuffix();
  }

  /** Who is in a split pass that splits nothing: what a livelock of splitters that yield to each other looks like (H-F). */
  private fruitless(): string {
    const names = this.options.cpus
      .filter((_, actor) => this.passes.since[actor]! >= 0)
      .map(({ name }) => name);
    if (names.length === 0) return '';
    return `; split passes that split nothing: ${names.join(', ')}`;
  }

  /** After each step. */
  step(now: number): void {
    if (now < this.nextLook && now - this.lastProgress <= this.options.livelockSteps) return;
    this.nextLook = now + LOOK_EVERY;
    const { livelockSteps, starvationSteps, cpus, describe } = this.options;
    if (now - this.lastProgress > livelockSteps) {
      this.suspect(undefined, {
        id: 'livelock',
        text: `${livelockSteps} steps without progress, everybody taking turns: ${describe()}${this.fruitless()}`,
        words: [],
      });
      return;
    }
    const waits = this.waiting.over(now, starvationSteps);
    if (waits >= 0) {
      this.suspect(cpus[waits], {
        id: 'starvation',
        text: `${cpus[waits]!.name} has waited for mmu_lock for ${now - this.waiting.since[waits]!} steps, everybody taking turns: ${describe()}`,
        words: [],
      });
      return;
    }
    const stuck = this.passes.over(now, starvationSteps);
    if (stuck >= 0) {
      this.suspect(cpus[stuck], {
        id: 'starvation',
        text: `the split pass of ${cpus[stuck]!.name} has split nothing for ${now - this.passes.since[stuck]!} steps, everybody taking turns: ${describe()}`,
        words: [],
      });
      return;
    }
    // Long enough for everything above to show itself again.
    if (this.fair && now - this.fairFrom > 2 * Math.max(livelockSteps, starvationSteps)) this.fair = false;
  }
}
