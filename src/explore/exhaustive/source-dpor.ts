/**
 * All behaviours of a program, each once: source-set dynamic partial-order reduction with sleep sets (Abdulla, Aronis, Jonsson,
 * Sagonas, "Optimal Dynamic Partial Order Reduction", POPL 2014, algorithm 1), by re-execution.
 *
 * Two runs that differ only in the order of steps which do not depend on each other end in the same state. The search runs one
 * of each such class: it makes a run, looks for its races, notes at the step before each race which actor would have to go
 * first for the race to come out the other way (unless one that would do is noted already: the notes are a source set), and
 * goes back to the deepest step with a note. An actor whose step has been explored sleeps until a step that depends on it was
 * made; a run in which all who can go on are asleep has been seen before and is given up.
 *
 * How this differs from the paper. (1) Steps depend on each other by effect (execution.ts): as in dscheck, a failed
 * compare-exchange is a read. (2) Blocking is a wait that some values of one word enable. A wait races with every write of its
 * word that took an enabling value away, and not with the write that let it go; a wait that stays blocked until the end is
 * looked at as if it had come last, also where the run was given up. The paper's algorithm assumes that nothing disables a step. (3) An initial of the reversed
 * run that sleeps is as good as one that is noted: what it would begin has been explored.
 *
 * What a complete search has shown, and what not: statement.ts.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import type { OpListener } from '../../cpu/plain-cpu.ts';
import { Op } from '../../cpu/steps.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import type { Runner, RunResult } from '../runner.ts';
import { StrategyError } from '../strategies/index.ts';
import { independent, type Execution } from './execution.ts';
import { Races } from './races.ts';
import { Recorder } from './recorder.ts';

/** Sets of actors are bits of a number. */
const MAX_ACTORS = 30;

/** Thrown out of a run that has been seen before; one object, as there is nothing to say. */
const SEEN_BEFORE = new Error('this run has been seen before');

/** A step of the run being varied. */
interface Node {
  enabled: number;
  /** Actors to be tried here, those tried, and those that need not be. */
  noted: number;
  done: number;
  asleep: number;
  choice: number;
}

export class SourceDpor implements Scheduler, OpListener {
  /** Runs to their end, and runs given up because they had been seen before. */
  complete = 0;
  redundant = 0;
  /**
   * Races that were not followed, because it was not the search who chose there: in the fair suffix of a run that had starved
   * somebody for too long.
   */
  unfollowed = 0;
  /** True once every behaviour was run. */
  exhausted = false;
  readonly runner: Runner;
  private readonly actors: number;
  private readonly recorder: Recorder;
  private readonly races: Races;
  private readonly nodes: Node[] = [];
  /** What each actor that is done or asleep at a node did there: effect, word, wide, by node and actor. */
  private labels: Int32Array;
  private cpus: readonly Cpu[] = [];
  private depth = 0;
  private analysed = 0;
  /** The node where this run leaves the last one. */
  private branch = -1;
  private picked = false;

  /** @throws StrategyError for more actors than a set can hold */
  constructor(runner: Runner) {
    this.runner = runner;
    this.actors = runner.cpus.length;
    if (this.actors > MAX_ACTORS) {
      throw new StrategyError(
        `partial-order reduction takes at most ${MAX_ACTORS} actors, not ${this.actors}`,
      );
    }
    this.recorder = new Recorder(this.actors, runner.memory);
    this.races = new Races(this.recorder.execution, (at, initials) => this.note(at, initials));
    this.labels = new Int32Array(3 * this.actors * 256);
  }

  /** The partial order of the last run. */
  get execution(): Execution {
    return this.recorder.execution;
  }

  /** The last run's trace; meaningless for a run that was given up. */
  get lastTrace(): string {
    return this.execution.traceKey();
  }

  /** Makes the next run. Call until `exhausted`, or until a run breaks something: what follows a run cut short is not known. */
  next(master: number, schedule: number): RunResult | undefined {
    let result: RunResult | undefined;
    try {
      result = this.runner.run(this, master, schedule, this);
      this.complete++;
    } catch (error) {
      if (error !== SEEN_BEFORE) throw error;
      this.redundant++;
      // Its actors may be stuck for now only: the run that would go on from here sleeps.
      this.considerBlocked();
    }
    if (!this.backtrack()) this.exhausted = true;
    return result;
  }

  /** Part of the tree behind us, from 0 to 1, if the notes so far were all there will be. */
  fraction(): number {
    let share = 1;
    let behind = 0;
    for (const node of this.nodes) {
      const width = bits(node.noted & ~node.asleep);
      behind += (share * bits(node.done & ~node.asleep)) / width;
      share /= width;
    }
    return this.exhausted ? 1 : behind;
  }

  begin(cpus: readonly Cpu[]): void {
    this.cpus = cpus;
    this.depth = 0;
    this.picked = false;
    const known = Math.max(0, this.branch);
    this.execution.truncate(known);
    this.analysed = known;
    this.recorder.skip = known;
    this.recorder.begin(cpus);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    this.settle();
    if (this.depth === this.nodes.length) {
      let set = 0;
      for (let i = 0; i < count; i++) set |= 1 << enabled[i]!;
      this.visit(set, current);
    }
    this.picked = true;
    return this.nodes[this.depth]!.choice;
  }

  step(actor: number): void {
    if (!this.picked) {
      this.settle();
      if (this.depth === this.nodes.length) this.visit(1 << actor, actor);
    }
    this.picked = false;
    this.depth++;
    this.recorder.step(actor);
  }

  operation(cpu: Cpu, op: number, word: number): void {
    this.recorder.operation(cpu, op, word);
  }

  end(): void {
    this.settle();
    this.considerBlocked();
  }

  /** The races of waits that nobody has ended: had they come earlier, they might not have blocked. */
  private considerBlocked(): void {
    const { execution, races } = this;
    for (const cpu of this.cpus) {
      if (cpu.pendingOp !== Op.Wait || this.runner.memory[cpu.pendingWord] !== cpu.pendingExpected) continue;
      const from = execution.history(cpu.pendingWord).length - 1;
      const last = execution.lastOf(cpu.actor);
      races.ofWait(cpu.actor, last, cpu.pendingWord, cpu.pendingExpected, from, execution.count);
    }
  }

  /** Records the step in progress and finds its races. */
  private settle(): void {
    this.recorder.settle();
    while (this.analysed < this.execution.count) this.races.ofStep(this.analysed++);
  }

  /** A node that no run has reached before. @throws SEEN_BEFORE */
  private visit(enabled: number, current: number): void {
    const depth = this.nodes.length;
    const asleep = depth === 0 ? 0 : this.stillAsleep(depth);
    const awake = enabled & ~asleep;
    if (awake === 0) throw SEEN_BEFORE;
    const choice = current >= 0 && (awake >> current) & 1 ? current : lowest(awake);
    this.nodes.push({ enabled, noted: 1 << choice, done: 0, asleep, choice });
  }

  /** Who was asleep or done at the node before and does not depend on the step made there. */
  private stillAsleep(depth: number): number {
    const { execution, labels, actors } = this;
    const before = this.nodes[depth - 1]!;
    let set = (before.asleep | before.done) & ~(1 << before.choice);
    if ((depth + 1) * actors * 3 > labels.length) this.growLabels();
    const step = depth - 1;
    for (let actor = 0, rest = set; rest !== 0; actor++, rest >>= 1) {
      if ((rest & 1) === 0) continue;
      const at = 3 * (step * actors + actor);
      const apart = independent(
        this.labels[at]!,
        this.labels[at + 1]!,
        this.labels[at + 2]!,
        execution.effect[step]!,
        execution.word[step]!,
        execution.wide[step]!,
      );
      if (apart) this.labels.copyWithin(at + 3 * actors, at, at + 3);
      else set &= ~(1 << actor);
    }
    return set;
  }

  private growLabels(): void {
    const bigger = new Int32Array(this.labels.length * 2);
    bigger.set(this.labels);
    this.labels = bigger;
  }

  private note(at: number, initials: number): void {
    const node = this.nodes[at]!;
    if ((initials & (node.noted | node.asleep)) !== 0) return;
    const possible = initials & node.enabled;
    if (possible === 0) {
      this.unfollowed++;
      return;
    }
    node.noted |= 1 << lowest(possible);
  }

  /** What was chosen at a node has been explored: it can sleep from here on. */
  private finishChoice(depth: number): void {
    const { execution, labels, actors } = this;
    const node = this.nodes[depth]!;
    const at = 3 * (depth * actors + node.choice);
    labels[at] = execution.effect[depth]!;
    labels[at + 1] = execution.word[depth]!;
    labels[at + 2] = execution.wide[depth]!;
    node.done |= 1 << node.choice;
  }

  /** Goes back to the deepest step with a note that was not followed. Returns false if there is none. */
  private backtrack(): boolean {
    const { nodes } = this;
    while (nodes.length > 0) {
      const depth = nodes.length - 1;
      const node = nodes[depth]!;
      this.finishChoice(depth);
      const left = node.noted & ~node.done & ~node.asleep;
      if (left !== 0) {
        node.choice = lowest(left);
        this.branch = depth;
        return true;
      }
      nodes.pop();
    }
    return false;
  }
}

function lowest(set: number): number {
  return 31 - Math.clz32(set & -set);
}

function bits(set: number): number {
  let count = 0;
  for (let rest = set; rest !== 0; rest &= rest - 1) count++;
  return count;
}
