/**
 * A schedule as segments: who runs, and up to which of its own moves. Leaving overrides out (ddmin) can only take switches away; where each
 * that is left out makes the failure go, the order of whole segments has to change instead. Two segments of an actor with others
 * between them become one if the others fit before or after it (after Jalbert, Sen, "A Trace Simplification Technique for
 * Effective Debugging of Concurrent Programs", FSE 2010, which moves one segment at a time; here whole stretches are grouped by
 * actor first, and halved where that loses the failure: most of a long schedule does not matter).
 */
import { Boundary, type Cpu } from '../cpu/cpu.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { yieldingPick } from './overrides.ts';

export interface Segment {
  readonly actor: number;
  /** The segment ends when the actor has moved this often in the whole run. */
  readonly until: number;
  /** It ends with a preemption: the actor could have gone on, neither from a safepoint nor to its next move. */
  readonly preempted: boolean;
  /** Moves of the actor at the last place in the segment where a switch would have cost nothing; absent if there is none. */
  readonly rest?: number;
  /** It goes on past its end, to where the switch costs nothing. */
  readonly settles?: boolean;
}

/** Wraps a scheduler and writes its segments down. */
export class SegmentRecorder implements Scheduler {
  segments: Segment[] = [];
  private readonly inner: Scheduler;
  private actors: readonly Cpu[] = [];
  private moves = new Int32Array(0);

  constructor(inner: Scheduler) {
    this.inner = inner;
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    this.segments = [];
    this.actors = actors;
    this.moves = new Int32Array(actors.length);
    this.inner.begin(actors, schedule);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    const next = this.inner.pick(enabled, count, current);
    const last = this.segments.length - 1;
    if (
      next !== current &&
      yieldingPick(this.actors, enabled, count, current) === current &&
      this.actors[current]!.boundary === Boundary.None
    )
      this.segments[last] = { ...this.segments[last]!, preempted: true };
    return next;
  }

  step(actor: number): void {
    const resting = this.actors[actor]!.boundary !== Boundary.None;
    const before = this.moves[actor]!++;
    const last = this.segments.length - 1;
    const goesOn = this.segments[last]?.actor === actor ? this.segments[last] : undefined;
    // Where a segment begins its actor has nothing behind it that the switch could be moved to.
    const rest = goesOn !== undefined && resting ? before : goesOn?.rest;
    const segment = { actor, until: before + 1, preempted: false, ...(rest === undefined ? {} : { rest }) };
    if (goesOn === undefined) this.segments.push(segment);
    else this.segments[last] = segment;
    this.inner.step?.(actor);
  }

  end(decisions: number, steps: number, failed: boolean): void {
    this.inner.end?.(decisions, steps, failed);
  }
}

/** Plays segments leniently: an actor that cannot go on ends its segment, and after the last one the base goes on. */
export class SegmentScheduler implements Scheduler {
  private readonly segments: readonly Segment[];
  private actors: readonly Cpu[] = [];
  private moves = new Int32Array(0);
  private at = 0;

  constructor(segments: readonly Segment[]) {
    this.segments = segments;
  }

  begin(actors: readonly Cpu[]): void {
    this.actors = actors;
    this.moves = new Int32Array(actors.length);
    this.at = 0;
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    for (; this.at < this.segments.length; this.at++) {
      const { actor, until, settles } = this.segments[this.at]!;
      const on = settles === true && this.actors[actor]!.boundary === Boundary.None;
      if (this.moves[actor]! >= until && !on) continue;
      for (let i = 0; i < count; i++) if (enabled[i] === actor) return actor;
    }
    return yieldingPick(this.actors, enabled, count, current);
  }

  step(actor: number): void {
    this.moves[actor]!++;
  }
}

/** The segments with the end of one moved: later, to where the switch costs nothing, or earlier, to the last such place or, if there is none in the segment, to its beginning. */
export function settle(
  segments: readonly Segment[],
  at: number,
  when: 'later' | 'earlier',
): readonly Segment[] {
  const { actor, until, rest } = segments[at]!;
  const before = segments.slice(0, at);
  const after = segments.slice(at + 1);
  if (when === 'later') return [...before, { actor, until, preempted: false, settles: true }, ...after];
  if (rest === undefined) return [...before, ...after];
  return [...before, { actor, until: rest, preempted: false }, ...after];
}

/** The segments with those of [from, to) grouped by actor, in the order of each actor's first or last one there. */
export function regroup(
  segments: readonly Segment[],
  from: number,
  to: number,
  order: 'first' | 'last',
): readonly Segment[] {
  const until = new Map<number, number>();
  for (const segment of segments.slice(from, to)) {
    if (order === 'last') until.delete(segment.actor);
    until.set(segment.actor, segment.until);
  }
  const grouped = [...until].map(([actor, end]): Segment => ({ actor, until: end, preempted: false }));
  return [...segments.slice(0, from), ...grouped, ...segments.slice(to)];
}
