/**
 * How many runs an exhaustive search will make, before it starts: Knuth, "Estimating the efficiency of backtrack programs"
 * (1975). A probe goes down the tree of the search at random; the product of the numbers of choices it passes is, on average,
 * the number of leaves.
 *
 * Preemption bounding: choices are drawn by the size of what should be below them, estimated from the length of the runs so
 * far, and the probe counts by one over its probability; the mean is right whatever the guess was, and hardly varies where it
 * was good. Uniform draws would spend all preemptions in the first steps.
 *
 * DPOR: the tree is not known before it is searched, as what is to be tried at a step comes from the races of later runs. A
 * probe is a random run with the choices that its own races alone call for: the order of magnitude, rather too little.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { mix, Rng, Stream } from '../../cpu/random.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import { yieldingPick } from '../overrides.ts';
import { costsPreemption } from '../preemption-search.ts';
import type { Runner } from '../runner.ts';
import { Races } from './races.ts';
import { RecordedRun } from './recorder.ts';

export interface Estimate {
  /** Runs that the search will make. */
  readonly runs: number;
  /** Standard error of that, from the probes' variance. */
  readonly error: number;
  readonly probes: number;
}

/** Sum over j <= r of C(m, j) a^j: schedules of m decisions with at most r preemptions to `a` others each. */
function ways(m: number, r: number, a: number): number {
  let term = 1;
  let sum = 1;
  for (let j = 1; j <= r && j <= m; j++) {
    term *= ((m - j + 1) / j) * a;
    sum += term;
  }
  return sum;
}

class BoundedDescent implements Scheduler {
  /** One over the probability of the last run. */
  weight = 1;
  private readonly rng = new Rng(1);
  private readonly bound: number;
  private actors: readonly Cpu[] = [];
  private left = 0;
  /** Decisions that could cost a preemption: in this run so far, and expected in one. */
  private costing = 0;
  private expected = 1;
  private others = 1;

  constructor(bound: number) {
    this.bound = bound;
  }

  reseed(seed: number): void {
    this.rng.seed(seed);
  }

  begin(actors: readonly Cpu[]): void {
    this.actors = actors;
    this.weight = 1;
    this.left = this.bound;
    this.costing = 0;
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    const base = yieldingPick(this.actors, enabled, count, current);
    if (!costsPreemption(enabled, count, current)) {
      this.weight *= count;
      return enabled[this.rng.below(count)]!;
    }
    this.others += (count - 1 - this.others) / 64;
    this.costing++;
    if (this.left === 0) return base;
    const after = Math.max(0, this.expected - this.costing);
    const stay = ways(after, this.left, this.others);
    const leave = (count - 1) * ways(after, this.left - 1, this.others);
    const chance = leave / (stay + leave);
    if (!this.rng.chance(chance)) {
      this.weight /= 1 - chance;
      return base;
    }
    this.left--;
    this.weight *= (count - 1) / chance;
    let skip = this.rng.below(count - 1);
    for (let i = 0; i < count; i++) if (enabled[i] !== base && skip-- === 0) return enabled[i]!;
    return base;
  }

  end(): void {
    this.expected = Math.max(this.costing, Math.round((3 * this.expected + this.costing) / 4));
  }
}

/** Mean and its standard error, as probes come in. */
class Mean {
  count = 0;
  mean = 0;
  private squares = 0;

  add(value: number): void {
    this.count++;
    const delta = value - this.mean;
    this.mean += delta / this.count;
    this.squares += delta * (value - this.mean);
  }

  get error(): number {
    return this.count < 2 ? this.mean : Math.sqrt(this.squares / (this.count - 1) / this.count);
  }
}

/** Probes one search of the schedule `schedule`; call `probe` as often as there is time for. */
export abstract class Prober {
  protected readonly runner: Runner;
  protected readonly master: number;
  protected readonly schedule: number;
  private readonly weights = new Mean();
  /** A probe ran into something broken; it says nothing about the size. */
  failures = 0;

  constructor(runner: Runner, master: number, schedule: number) {
    this.runner = runner;
    this.master = master;
    this.schedule = schedule;
  }

  protected abstract weigh(seed: number): number | undefined;

  probe(): void {
    const weight = this.weigh(mix(this.master, this.weights.count + this.failures, Stream.schedule, 0x6b6e));
    if (weight === undefined) this.failures++;
    else this.weights.add(weight);
  }

  get estimate(): Estimate {
    const { count, mean, error } = this.weights;
    return { runs: mean, error, probes: count };
  }
}

/** Schedules with at most `bound` preemptions. */
export class BoundedProber extends Prober {
  private readonly descent: BoundedDescent;

  constructor(runner: Runner, master: number, schedule: number, bound: number) {
    super(runner, master, schedule);
    this.descent = new BoundedDescent(bound);
  }

  protected weigh(seed: number): number | undefined {
    this.descent.reseed(seed);
    const { violations } = this.runner.run(this.descent, this.master, this.schedule);
    return violations.length > 0 ? undefined : this.descent.weight;
  }
}

/** Complete runs of source-set DPOR. */
export class DporProber extends Prober {
  private readonly walk: EvenWalk;
  private readonly run: RecordedRun;
  private readonly races: Races;
  private noted = new Int32Array(0);

  constructor(runner: Runner, master: number, schedule: number) {
    super(runner, master, schedule);
    this.walk = new EvenWalk(runner.cpus.length);
    this.run = new RecordedRun(this.walk, runner.cpus.length, runner.memory);
    this.races = new Races(this.run.execution, (at, initials) => {
      if ((this.noted[at]! & initials) === 0) this.noted[at]! |= initials & -initials;
    });
  }

  protected weigh(seed: number): number | undefined {
    this.walk.reseed(seed);
    const { violations } = this.runner.run(this.run, this.master, this.schedule, this.run);
    if (violations.length > 0) return undefined;
    const { execution } = this.run;
    this.noted = Int32Array.from(execution.actor.subarray(0, execution.count), (actor) => 1 << actor);
    for (let step = 0; step < execution.count; step++) this.races.ofStep(step);
    let weight = 1;
    for (const set of this.noted) {
      let choices = 0;
      for (let rest = set; rest !== 0; rest &= rest - 1) choices++;
      weight *= choices;
    }
    return weight;
  }
}

/** A random walk in which an actor's chance is what it has left to do, going by earlier runs: short actors spread out, too. */
class EvenWalk implements Scheduler {
  private readonly rng = new Rng(1);
  private readonly expected: Int32Array;
  private readonly made: Int32Array;

  constructor(actors: number) {
    this.expected = new Int32Array(actors).fill(1);
    this.made = new Int32Array(actors);
  }

  reseed(seed: number): void {
    this.rng.seed(seed);
  }

  begin(): void {
    this.made.fill(0);
  }

  private left(actor: number): number {
    return Math.max(1, this.expected[actor]! - this.made[actor]!);
  }

  pick(enabled: Int32Array, count: number): number {
    let total = 0;
    for (let i = 0; i < count; i++) total += this.left(enabled[i]!);
    let at = this.rng.below(total);
    for (let i = 0; i < count - 1; i++) {
      at -= this.left(enabled[i]!);
      if (at < 0) return enabled[i]!;
    }
    return enabled[count - 1]!;
  }

  step(actor: number): void {
    const made = ++this.made[actor]!;
    if (made > this.expected[actor]!) this.expected[actor] = made;
  }
}
