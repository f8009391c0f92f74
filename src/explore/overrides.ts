/**
 * A schedule in its own right: sparse overrides on a base that never preempts (explorer notes 4.8).
 *
 * The base lets the actor that moved last go on until it blocks, ends or comes to a safepoint (the top of KVM_RUN, a
 * cond_resched() without the lock), and then takes the next one that can go on, round by number. Our notes let it go on at
 * safepoints too; then a vCPU that runs until the migration is over starves the migration. An override
 * says: after actor `actor` has moved `op` times, `next` goes on. (The first move of an actor starts it and makes no operation;
 * every other makes one.) Overrides are keyed by an actor's own operations and not
 * by the step of the run, so that leaving one out does not shift the others.
 */
import { Boundary, type Cpu } from '../cpu/cpu.ts';
import type { Scheduler } from '../runtime/scheduler.ts';

export interface Override {
  /** Actor that moved last; -1 at the start of the run. */
  readonly actor: number;
  /** Times it had moved: one more than the operations it had made. */
  readonly op: number;
  readonly next: number;
}

/** Picks of the base of overrides. `enabled` has at least one actor, in increasing order. */
export function yieldingPick(
  actors: readonly Cpu[],
  enabled: Int32Array,
  count: number,
  current: number,
): number {
  let following = -1;
  for (let i = 0; i < count; i++) {
    const actor = enabled[i]!;
    if (actor === current && !actors[actor]!.atSafepoint) return actor;
    if (actor > current && following < 0) following = actor;
  }
  return following < 0 ? enabled[0]! : following;
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
  /** Those that leave an actor that could go on, neither at a safepoint nor between two moves. */
  preempting = new Set<Override>();
  private readonly inner: Scheduler;
  private readonly own = new OwnOps();
  private actors: readonly Cpu[] = [];

  constructor(inner: Scheduler) {
    this.inner = inner;
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    this.overrides = [];
    this.preempting = new Set();
    this.actors = actors;
    this.own.begin(actors.length);
    this.inner.begin(actors, schedule);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    const next = this.inner.pick(enabled, count, current);
    const base = yieldingPick(this.actors, enabled, count, current);
    if (next !== base) {
      const override: Override = { actor: current, op: this.own.of(current), next };
      this.overrides.push(override);
      if (base === current && this.actors[current]!.boundary === Boundary.None) this.preempting.add(override);
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

/** An override of a strict replay does not apply. */
export class Inapplicable extends Error {
  override readonly name = 'Inapplicable';
  readonly override: Override;

  constructor(override: Override) {
    super(`after ${override.op} moves of actor ${override.actor}, actor ${override.next} cannot go on`);
    this.override = override;
  }
}

/** Plays overrides. Those that do not apply are skipped and left out of `used`, or end a strict replay. */
export class OverrideScheduler implements Scheduler {
  /** Overrides that were applied and mattered, in the order of the run. */
  used: Override[] = [];
  /** Those of `used` that leave an actor that could go on, neither at a safepoint nor between two moves. */
  preempting = new Set<Override>();
  /** The first override whose actor could not go on. */
  inapplicable: Override | undefined;
  private readonly overrides: readonly Override[];
  private readonly strict: boolean;
  private readonly next = new Map<number, Map<number, Override>>();
  private readonly own = new OwnOps();
  private actors: readonly Cpu[] = [];

  /** @param strict throw Inapplicable from the run where an override does not apply */
  constructor(overrides: readonly Override[], strict = false) {
    this.overrides = overrides;
    this.strict = strict;
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
    this.preempting = new Set();
    this.actors = actors;
    this.inapplicable = undefined;
    this.own.begin(actors.length);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    const base = yieldingPick(this.actors, enabled, count, current);
    const override = this.next.get(current)?.get(this.own.of(current));
    if (override === undefined) return base;
    for (let i = 0; i < count; i++) {
      if (enabled[i] !== override.next) continue;
      if (override.next !== base) this.used.push(override);
      if (override.next !== base && base === current && this.actors[current]!.boundary === Boundary.None)
        this.preempting.add(override);
      return override.next;
    }
    if (this.strict) throw new Inapplicable(override);
    this.inapplicable ??= override;
    return base;
  }

  /** How often an actor has moved in the run. */
  moves(actor: number): number {
    return this.own.of(actor);
  }

  /** The first override that the run did without; undefined if all were applied and mattered. */
  get unused(): Override | undefined {
    return this.overrides.find((override) => !this.used.includes(override));
  }

  step(actor: number): void {
    this.own.step(actor);
  }
}
