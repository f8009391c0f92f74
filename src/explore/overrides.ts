/**
 * A schedule in its own right: sparse overrides on a base that never preempts (explorer notes 4.8).
 *
 * The base lets the actor that moved last go on while it can, and otherwise takes the one with the lowest number. An override
 * says: after actor `actor` has made `op` operations, `next` goes on. Overrides are keyed by an actor's own operations and not
 * by the step of the run, so that leaving one out does not shift the others.
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { Scheduler } from '../runtime/scheduler.ts';

export interface Override {
  /** Actor that moved last; -1 at the start of the run. */
  readonly actor: number;
  /** Operations it had made. */
  readonly op: number;
  readonly next: number;
}

/** Picks of the base. */
export function basePick(enabled: Int32Array, count: number, current: number): number {
  for (let i = 0; i < count; i++) if (enabled[i] === current) return current;
  return enabled[0]!;
}

/** Operations each actor has made, for the keys of overrides. */
class OwnOps {
  private ops = new Int32Array(0);

  begin(actors: number): void {
    this.ops = new Int32Array(actors);
  }

  step(actor: number): void {
    this.ops[actor]!++;
  }

  of(actor: number): number {
    return actor < 0 ? 0 : this.ops[actor]!;
  }
}

/** Wraps a scheduler and writes down where it leaves the base. */
export class OverrideRecorder implements Scheduler {
  overrides: Override[] = [];
  private readonly inner: Scheduler;
  private readonly own = new OwnOps();

  constructor(inner: Scheduler) {
    this.inner = inner;
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    this.overrides = [];
    this.own.begin(actors.length);
    this.inner.begin(actors, schedule);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    const next = this.inner.pick(enabled, count, current);
    if (next !== basePick(enabled, count, current)) {
      this.overrides.push({ actor: current, op: this.own.of(current), next });
    }
    return next;
  }

  step(actor: number): void {
    this.own.step(actor);
    this.inner.step?.(actor);
  }

  end(decisions: number, steps: number, failed: boolean): void {
    this.inner.end?.(decisions, steps, failed);
  }
}

/** Plays overrides. Those that do not apply are skipped and left out of `used`. */
export class OverrideScheduler implements Scheduler {
  /** Overrides that were applied and mattered, in the order of the run. */
  used: Override[] = [];
  /** The first override whose actor could not go on; a strict replay stops there. */
  inapplicable: Override | undefined;
  private readonly next = new Map<number, Map<number, Override>>();
  private readonly own = new OwnOps();

  constructor(overrides: readonly Override[]) {
    for (const override of overrides) {
      let byOp = this.next.get(override.actor);
      if (byOp === undefined) {
        byOp = new Map();
        this.next.set(override.actor, byOp);
      }
      byOp.set(override.op, override);
    }
  }

  begin(actors: readonly Cpu[]): void {
    this.used = [];
    this.inapplicable = undefined;
    this.own.begin(actors.length);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    const base = basePick(enabled, count, current);
    const override = this.next.get(current)?.get(this.own.of(current));
    if (override === undefined) return base;
    for (let i = 0; i < count; i++) {
      if (enabled[i] !== override.next) continue;
      if (override.next !== base) this.used.push(override);
      return override.next;
    }
    this.inapplicable ??= override;
    return base;
  }

  step(actor: number): void {
    this.own.step(actor);
  }
}
