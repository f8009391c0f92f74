/**
 * The profile of a program: how many events each actor has, and which locations they share.
 *
 * Weighted strategies need estimates. One run may end early (a bug, an early return) and would starve an actor, so the
 * profile is the maximum per actor over PROFILE_RUNS random walks (measured: explorer notes 3.5). These runs are schedules
 * 0 to 15 of the search itself: they count, and a bug they hit is reported.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { isWrite, Op } from '../cpu/steps.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { rounded, type Excerpt } from './excerpt.ts';

/** Random walks at the start of a search that are counted. */
export const PROFILE_RUNS = 16;

/** Names the group of a word beside the 8-byte unit it is in: the locks, one table, the requests. -1: none. */
export type GroupOf = (word: number) => number;

/** Counts of accesses to one location by actor. */
export type Accesses = Int32Array;

/**
 * Locations are numbers: an 8-byte unit is its word divided by two, a group g is -2 - g. Both are kept in the order in which
 * the profile runs first met them, which is the same on every machine.
 */
export class Profile {
  readonly groupOf: GroupOf;
  /** Most decisions that a run had. */
  decisions = 0;
  /** Events of a whole run, or decisions if there were more; 0 before `round`. */
  length = 0;
  /** Most events that each actor had in a run. */
  events: Int32Array = new Int32Array(0);
  /** Most accesses in a run, by location and actor. */
  readonly locations = new Map<number, Accesses>();
  /**
   * Who lets each actor begin: the actor that wrote the word that it waits for before anything else, in the first run in which
   * that was seen; -1 for those that begin on their own.
   */
  parents: Int32Array = new Int32Array(0);
  runs = 0;
  private shared: readonly SharedLocation[] | undefined;

  constructor(groupOf: GroupOf = () => -1) {
    this.groupOf = groupOf;
  }

  /** Adds the counts of one run. */
  merge(
    events: Int32Array,
    locations: ReadonlyMap<number, Accesses>,
    decisions: number,
    parents: Int32Array,
    atRandom = true,
  ): void {
    this.shared = undefined;
    if (this.parents.length < parents.length) this.parents = Int32Array.from(parents);
    else {
      for (let i = 0; i < parents.length; i++) if (this.parents[i]! < 0) this.parents[i] = parents[i]!;
    }
    this.runs++;
    // The larger count, or of a run that is no random walk only what no random walk has shown.
    const combine = (known: number, count: number): number =>
      atRandom ? Math.max(known, count) : known === 0 ? count : known;
    this.decisions = combine(this.decisions, decisions);
    if (this.events.length < events.length) this.events = Int32Array.from(events);
    else for (let i = 0; i < events.length; i++) this.events[i] = combine(this.events[i]!, events[i]!);
    for (const [location, accesses] of locations) {
      const known = this.locations.get(location);
      if (known === undefined) this.locations.set(location, Int32Array.from(accesses));
      else for (let i = 0; i < accesses.length; i++) known[i] = combine(known[i]!, accesses[i]!);
    }
  }

  /** All runs are in: rounds the counts, so that what a schedule reads of them fits into a token (src/explore/excerpt.ts). */
  round(): this {
    this.shared = undefined;
    this.length = rounded(
      Math.max(
        this.decisions,
        this.events.reduce((sum, count) => sum + count, 0),
      ),
    );
    this.decisions = rounded(this.decisions);
    this.events = this.events.map(rounded);
    for (const [location, accesses] of this.locations) this.locations.set(location, accesses.map(rounded));
    return this;
  }

  /** A profile that has what one schedule reads, and no more. */
  static of({ decisions, length, events, parents, location, accesses }: Excerpt, groupOf?: GroupOf): Profile {
    const profile = new Profile(groupOf);
    profile.decisions = decisions;
    profile.length = length;
    profile.events = Int32Array.from(events);
    profile.parents = Int32Array.from(parents);
    if (location !== -1) profile.locations.set(location, Int32Array.from(accesses));
    return profile;
  }

  /** Locations that at least two actors use, in the order they were met. */
  get sharedLocations(): readonly SharedLocation[] {
    this.shared ??= [...this.locations]
      .filter(([, accesses]) => accesses.reduce((users, count) => users + (count > 0 ? 1 : 0), 0) >= 2)
      .map(([location, accesses]) => ({
        location,
        accesses,
        total: accesses.reduce((sum, count) => sum + count, 0),
      }));
    return this.shared;
  }
}

export interface SharedLocation {
  readonly location: number;
  readonly accesses: Accesses;
  readonly total: number;
}

/** The location of a unit and of a group. */
export const unitOf = (word: number): number => word >> 1;
export const groupLocation = (group: number): number => -2 - group;

/** Wraps a scheduler and counts what its runs do. */
export class Profiler implements Scheduler {
  private readonly inner: Scheduler;
  private readonly profile: Profile;
  private readonly atRandom: boolean;
  private actors: readonly Cpu[] = [];
  private events = new Int32Array(0);
  private locations = new Map<number, Accesses>();
  private parents = new Int32Array(0);
  private started = new Uint8Array(0);
  /** Who wrote each word last. */
  private readonly writers = new Map<number, number>();

  /**
   * @param atRandom false if runs of `inner` may be much longer than usual: in a loop that waits for somebody who is left
   *   behind. They then only fill in what no random walk has met, and have to come after those.
   */
  constructor(inner: Scheduler, profile: Profile, atRandom = true) {
    this.inner = inner;
    this.profile = profile;
    this.atRandom = atRandom;
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    this.actors = actors;
    this.events = new Int32Array(actors.length);
    this.locations = new Map();
    this.parents = new Int32Array(actors.length).fill(-1);
    this.started = new Uint8Array(actors.length);
    this.writers.clear();
    this.inner.begin(actors, schedule);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    return this.inner.pick(enabled, count, current);
  }

  step(actor: number): void {
    const cpu = this.actors[actor]!;
    // The start of an actor is no event: nobody can see it.
    const started = this.started[actor]!;
    if (started === 0) {
      this.started[actor] = 1;
      this.inner.step?.(actor);
      return;
    }
    const events = ++this.events[actor]!;
    if (events === 1 && cpu.pendingOp === Op.Wait) {
      this.parents[actor] = this.writers.get(cpu.pendingWord) ?? -1;
    }
    // A wait ends after the store it waits for, whoever is scheduled: there is no order to choose.
    if (cpu.pendingOp !== Op.Pause && cpu.pendingOp !== Op.Wait) {
      if (isWrite(cpu.pendingOp)) this.writers.set(cpu.pendingWord, actor);
      this.note(unitOf(cpu.pendingWord), actor);
      const group = this.profile.groupOf(cpu.pendingWord);
      if (group >= 0) this.note(groupLocation(group), actor);
    }
    this.inner.step?.(actor);
  }

  private note(location: number, actor: number): void {
    let accesses = this.locations.get(location);
    if (accesses === undefined) {
      accesses = new Int32Array(this.actors.length);
      this.locations.set(location, accesses);
    }
    accesses[actor]!++;
  }

  end(decisions: number, steps: number, failed: boolean): void {
    this.profile.merge(this.events, this.locations, decisions, this.parents, this.atRandom);
    this.inner.end?.(decisions, steps, failed);
  }
}
