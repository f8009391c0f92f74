/**
 * A schedule as segments whose ends are places in moves: "this actor runs up to the third operation of its move 7". Where a move is
 * left out, the others keep the order they had: a segment that ended within it ends before the actor's next move.
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { yieldingPick } from './overrides.ts';

/** A move of an actor: an access of a guest, an edit of L1, a round of a member of the cast. */
export interface Move {
  readonly actor: number;
  readonly move: number;
}

interface MoveSegment extends Move {
  /** The segment's last step, by its number within the move. */
  readonly step: number;
}

/** For each actor the place of its next step: its move, and its steps of that move so far. */
class Places {
  actors: readonly Cpu[] = [];
  private move = new Int32Array(0);
  private steps = new Int32Array(0);

  begin(actors: readonly Cpu[]): void {
    this.actors = actors;
    this.move = new Int32Array(actors.length).fill(-1);
    this.steps = new Int32Array(actors.length);
  }

  /** The step that the actor makes next. */
  next(actor: number): MoveSegment {
    const { move } = this.actors[actor]!;
    return { actor, move, step: move === this.move[actor] ? this.steps[actor]! : 0 };
  }

  step(actor: number): void {
    const { move } = this.actors[actor]!;
    if (move !== this.move[actor]) {
      this.move[actor] = move;
      this.steps[actor] = 0;
    }
    this.steps[actor]!++;
  }
}

/** Wraps a scheduler and writes down the moves that were begun, in the order of the run, and the segments. A move has begun once its first operation is announced. */
export class MoveRecorder implements Scheduler {
  moves: Move[] = [];
  segments: MoveSegment[] = [];
  private readonly inner: Scheduler;
  private readonly places = new Places();

  constructor(inner: Scheduler) {
    this.inner = inner;
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    this.moves = [];
    this.segments = [];
    this.places.begin(actors);
    this.inner.begin(actors, schedule);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    return this.inner.pick(enabled, count, current);
  }

  step(actor: number): void {
    const place = this.places.next(actor);
    if (place.step === 0 && place.move >= 0) this.moves.push({ actor, move: place.move });
    const last = this.segments.length - 1;
    if (this.segments[last]?.actor === actor) this.segments[last] = place;
    else this.segments.push(place);
    this.places.step(actor);
    this.inner.step?.(actor);
  }

  end(decisions: number, steps: number, failed: boolean): void {
    for (let actor = 0; actor < this.places.actors.length; actor++) {
      const { move, step } = this.places.next(actor);
      if (step === 0 && move >= 0) this.moves.push({ actor, move });
    }
    this.inner.end?.(decisions, steps, failed);
  }
}

/** Plays the segments of a run leniently, where the run makes fewer moves: who cannot go on ends its segment, and after the last one the base goes on. */
export class MoveScheduler implements Scheduler {
  private readonly segments: readonly MoveSegment[];
  private readonly places = new Places();
  private actors: readonly Cpu[] = [];
  private at = 0;

  constructor(segments: readonly MoveSegment[]) {
    this.segments = segments;
  }

  begin(actors: readonly Cpu[]): void {
    this.actors = actors;
    this.places.begin(actors);
    this.at = 0;
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    for (; this.at < this.segments.length; this.at++) {
      const segment = this.segments[this.at]!;
      const next = this.places.next(segment.actor);
      if (next.move > segment.move || (next.move === segment.move && next.step > segment.step)) continue;
      for (let i = 0; i < count; i++) if (enabled[i] === segment.actor) return segment.actor;
    }
    return yieldingPick(this.actors, enabled, count, current);
  }

  step(actor: number): void {
    this.places.step(actor);
  }
}
