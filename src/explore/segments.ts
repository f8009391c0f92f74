/**
 * A schedule as segments: who runs, and up to which of its own moves. Leaving overrides out (ddmin) can only take switches away; where each
 * that is left out makes the failure go, the order of whole segments has to change instead. Two segments of an actor with others
 * between them become one if the others fit before or after it (after Jalbert, Sen, "A Trace Simplification Technique for
 * Effective Debugging of Concurrent Programs", FSE 2010, which moves one segment at a time; here whole stretches are grouped by
 * actor first, and halved where that loses the failure: most of a long schedule does not matter).
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { yieldingPick } from './overrides.ts';

export interface Segment {
  readonly actor: number;
  /** The segment ends when the actor has moved this often in the whole run. */
  readonly until: number;
  /** It ends with a preemption: the actor could have gone on, and not from a safepoint. */
  readonly preempted: boolean;
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
    if (next !== current && yieldingPick(this.actors, enabled, count, current) === current)
      this.segments[last] = { ...this.segments[last]!, preempted: true };
    return next;
  }

  step(actor: number): void {
    const until = ++this.moves[actor]!;
    const last = this.segments.length - 1;
    if (this.segments[last]?.actor === actor) this.segments[last] = { actor, until, preempted: false };
    else this.segments.push({ actor, until, preempted: false });
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
      const { actor, until } = this.segments[this.at]!;
      if (this.moves[actor]! >= until) continue;
      for (let i = 0; i < count; i++) if (enabled[i] === actor) return actor;
    }
    return yieldingPick(this.actors, enabled, count, current);
  }

  step(actor: number): void {
    this.moves[actor]!++;
  }
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
