/**
 * The critical pair of a failure: two operations of different actors such that the run passes once they are swapped
 * (explorer notes 4.9 step 8; the idea is Hermit's). Every answer is verified by running it.
 *
 * To swap `first` (by X) and `second` (by Y): follow the run up to X's operation, hold X back there while Y and, where Y has
 * to wait, the others go on until Y has made an operation of the same kind on the same word; then let X go and follow the
 * rest of the run as far as it applies. Whole critical sections are swapped by the operations that take their lock. If nobody but X can go on, the order is forced and the pair is none.
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { Violation } from '../runtime/outcome.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { races, type OpPair, type RunOp } from './causality.ts';
import { yieldingPick } from './overrides.ts';
import type { Runner } from './runner.ts';
import { stepLimit } from './shrink.ts';

/** A failing run as it was recorded. */
export interface RecordedRun {
  readonly ops: readonly RunOp[];
  /** Who moved at each move; the first move of an actor makes no operation. */
  readonly moves: readonly number[];
  /** The move that made each operation. */
  readonly moveOf: readonly number[];
}

export interface CriticalPairOptions {
  readonly runner: Runner;
  readonly master: number;
  readonly schedule: number;
  readonly run: RecordedRun;
  /** Pairs to swap beside those that race: critical sections of one lock, by the operations that take it. */
  readonly sections: readonly OpPair[];
  /** Does a run still fail like the recorded one? */
  readonly fails: (violation: Violation) => boolean;
  /** The larger, the rather the pair is shown; pairs that say nothing get a negative number and are not tried. */
  readonly rank: (pair: OpPair) => number;
  readonly maxRuns: number;
}

export interface CriticalPair extends OpPair {
  /** The swapped run ended without any violation; otherwise with another one, whose id this is. */
  readonly instead: string | undefined;
}

export interface CriticalPairs {
  /** The best ranked pair whose swap passes. */
  readonly pair: CriticalPair | undefined;
  /** Pairs that were swapped and run. */
  readonly tried: number;
  /** Pairs there are. */
  readonly candidates: number;
}

const alike = (a: Pick<RunOp, 'actor' | 'op' | 'word'>, b: RunOp): boolean =>
  a.actor === b.actor && a.op === b.op && a.word === b.word;

class SwapScheduler implements Scheduler {
  /** Only the one that is held back could go on. */
  forced = false;
  private readonly run: RecordedRun;
  private readonly first: RunOp;
  private readonly second: RunOp;
  private readonly holdAt: number;
  /** Operations like the second that its actor makes up to it. */
  private readonly needed: number;
  private made = 0;
  private actors: readonly Cpu[] = [];
  private moves = 0;
  private phase: 'before' | 'holding' | 'after' = 'before';
  /** The moves of the recorded run that are still to be made. */
  private rest: number[] = [];
  private ahead: number[] = [];

  constructor(run: RecordedRun, pair: OpPair) {
    this.run = run;
    this.first = run.ops[pair.first]!;
    this.second = run.ops[pair.second]!;
    this.holdAt = run.moveOf[pair.first]!;
    this.needed = run.ops.slice(pair.first, pair.second + 1).filter((op) => alike(op, this.second)).length;
  }

  begin(actors: readonly Cpu[]): void {
    this.actors = actors;
    this.moves = 0;
    this.phase = 'before';
    this.forced = false;
    this.ahead = [];
    this.made = 0;
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    const can = (actor: number): boolean => enabled.subarray(0, count).includes(actor);
    if (this.phase === 'before' && this.moves === this.holdAt) this.phase = 'holding';
    if (this.phase === 'before') return this.run.moves[this.moves]!;
    if (this.phase === 'holding') {
      const { actor: held } = this.first;
      const { actor: wanted } = this.second;
      if (can(wanted)) return wanted;
      const other = enabled.subarray(0, count).find((actor) => actor !== held);
      if (other !== undefined) return other;
      this.forced = true;
      this.phase = 'after';
    }
    while (this.rest.length > 0) {
      const next = this.rest[0]!;
      if (can(next)) return next;
      this.rest.shift();
    }
    return yieldingPick(this.actors, enabled, count, current);
  }

  step(actor: number): void {
    const { phase } = this;
    this.moves++;
    if (phase === 'before' && this.moves > this.holdAt) this.forced = true;
    if (phase === 'holding') {
      if (actor === this.first.actor) this.forced = true;
      this.ahead.push(actor);
      const { pendingOp, pendingWord } = this.actors[actor]!;
      const { second } = this;
      if (alike({ actor, op: pendingOp, word: pendingWord }, second) && ++this.made === this.needed)
        this.release();
    } else if (phase === 'after' && this.rest[0] === actor) this.rest.shift();
  }

  /** The second operation is about to be made: from now on the rest of the recorded run, without what was made ahead. */
  private release(): void {
    this.phase = 'after';
    this.rest = this.run.moves.slice(this.holdAt);
    for (const actor of this.ahead) {
      const at = this.rest.indexOf(actor);
      if (at >= 0) this.rest.splice(at, 1);
    }
  }

  /** The swap took place. */
  get swapped(): boolean {
    return this.phase === 'after' && !this.forced;
  }
}

const STUCK = ['deadlock', 'livelock'];

/** Finds the best ranked pair whose swap makes the run pass. */
export function findCriticalPair(options: CriticalPairOptions): CriticalPairs {
  const { runner, master, schedule, run, rank } = options;
  const seen = new Set<string>();
  const candidates = [...races(run.ops, runner.cpus.length), ...options.sections]
    .map((pair) => ({ pair, rank: rank(pair) }))
    .filter(({ pair: { first, second }, rank: value }) => {
      const key = `${first} ${second}`;
      const fresh = value >= 0 && !seen.has(key);
      seen.add(key);
      return fresh;
    })
    .sort((a, b) => b.rank - a.rank || b.pair.second - a.pair.second);
  const limit = runner.maxSteps;
  runner.maxSteps = Math.min(limit, stepLimit(run.ops.length));
  let tried = 0;
  let best: CriticalPair | undefined;
  for (const { pair } of candidates) {
    if (tried >= options.maxRuns) break;
    const scheduler = new SwapScheduler(run, pair);
    const result = runner.run(scheduler, master, schedule);
    tried++;
    const violation = result.violations[0];
    if (!scheduler.swapped || result.truncated) continue;
    if (violation !== undefined && options.fails(violation)) continue;
    if (violation === undefined) {
      best = { ...pair, instead: undefined };
      break;
    }
    // A run that gets stuck shows nothing.
    if (!STUCK.includes(violation.id)) best ??= { ...pair, instead: violation.id };
  }
  runner.maxSteps = limit;
  return { pair: best, tried, candidates: candidates.length };
}
