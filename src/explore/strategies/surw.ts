/**
 * SURW, selectively uniform random walk (Zhao et al., "Selectively Uniform Concurrency Testing", ASPLOS 2025).
 *
 * Each schedule chooses one shared location and is uniform over the orders of the accesses to it; everything else is
 * scheduled by random priorities. Bugs depend on the order of few events: to be uniform over those alone is far better than
 * to be uniform over all.
 *
 * Before an access to the chosen location an actor is drawn in proportion to the accesses it has left: the intended one.
 * Actors that arrive at the location first are held until the intended one has made its access. If it cannot arrive, the
 * intention is dropped.
 *
 * How this differs: all actors exist from the start, so the weight that the paper gives to the creator of a thread stays with
 * the thread: an actor that still waits to be created, or for a lock, can be the intended one. Locations are 8-byte units
 * and the groups of this machine (the locks, one page table, the caches, the request words), half of the draws from each;
 * counts are maxima over PROFILE_RUNS runs; an actor that has run FAIRNESS events in a row makes all priorities be drawn
 * anew.
 */
import { mix, Rng, Stream } from '../../cpu/random.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import { Op } from '../../cpu/steps.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import { lengthOnly } from '../excerpt.ts';
import { groupLocation, unitOf, type Profile, type SharedLocation } from '../profile.ts';
import { defineStrategy, type StrategyContext } from '../strategy.ts';

const FAIRNESS = 10_000;

interface Locations {
  readonly units: readonly SharedLocation[];
  readonly groups: readonly SharedLocation[];
}

function locationsOf({ sharedLocations }: Profile): Locations {
  return {
    units: sharedLocations.filter(({ location }) => location >= 0),
    groups: sharedLocations.filter(({ location }) => location < -1),
  };
}

/** Draws the location of a schedule. Its numbers are its own, so that the rest of the schedule does not depend on the others. */
function drawLocation(
  { units, groups }: Locations,
  master: number,
  schedule: number,
): SharedLocation | undefined {
  const rng = new Rng(mix(master, schedule, Stream.schedule, 9));
  const pool = units.length === 0 || (groups.length > 0 && rng.chance(0.5)) ? groups : units;
  let total = 0;
  for (const one of pool) total += one.total;
  let at = rng.unit() * total;
  for (const one of pool) {
    at -= one.total;
    if (at < 0) return one;
  }
  return pool[pool.length - 1];
}

class Surw implements Scheduler {
  private readonly context: StrategyContext;
  private readonly rng = new Rng(1);
  private readonly locations: Locations;
  private actors: readonly Cpu[] = [];
  /** The unit or group of this schedule, -1 if there is none. */
  private location = -1;
  /** Accesses to the location that each actor has left. */
  private left = new Float64Array(0);
  private weights = new Float64Array(0);
  /** Of each actor's pending operation; 0 if it has to be drawn. */
  private priority = new Float64Array(0);
  /** Actors held at the location. */
  private held = new Uint8Array(0);
  /** Is each actor's pending operation one on the chosen location: 1 no, 2 yes, 0 to be looked up. */
  private near = new Uint8Array(0);
  private holding = false;
  private intended = -1;
  /** The last intention came to nothing: until the next access, draw only among actors that can go on. */
  private onlyEnabled = false;
  private lastActor = -1;
  private inARow = 0;

  constructor(context: StrategyContext) {
    this.context = context;
    this.locations = locationsOf(context.profile);
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    const { rng, context } = this;
    rng.seed(mix(context.master, schedule, Stream.schedule, 5));
    if (this.actors !== actors) {
      this.actors = actors;
      this.priority = new Float64Array(actors.length);
      this.held = new Uint8Array(actors.length);
      this.near = new Uint8Array(actors.length);
      this.left = new Float64Array(actors.length);
      this.weights = new Float64Array(actors.length);
    }
    this.priority.fill(0);
    this.near.fill(0);
    this.release();
    this.intended = -1;
    this.onlyEnabled = false;
    this.lastActor = -1;
    this.inARow = 0;
    const chosen = drawLocation(this.locations, context.master, schedule);
    this.location = chosen?.location ?? -1;
    if (chosen === undefined) this.left.fill(0);
    else for (let i = 0; i < actors.length; i++) this.left[i] = chosen.accesses[i] ?? 0;
  }

  private release(): void {
    if (this.holding) this.held.fill(0);
    this.holding = false;
  }

  /** Is the actor's pending operation one on the chosen location? It stays so until the actor moves. */
  private interesting(actor: number): boolean {
    let near = this.near[actor]!;
    if (near === 0) {
      near = this.lookUp(this.actors[actor]!) ? 2 : 1;
      this.near[actor] = near;
    }
    return near === 2;
  }

  private lookUp({ pendingOp, pendingWord }: Cpu): boolean {
    if (this.location === -1 || pendingOp === Op.Pause || pendingOp === Op.Wait) return false;
    if (this.location >= 0) return unitOf(pendingWord) === this.location;
    const group = this.context.profile.groupOf(pendingWord);
    return group >= 0 && groupLocation(group) === this.location;
  }

  pick(enabled: Int32Array, count: number): number {
    const { priority, held, rng } = this;
    for (;;) {
      let best = -1;
      let highest = 0;
      for (let i = 0; i < count; i++) {
        const actor = enabled[i]!;
        if (held[actor] !== 0) continue;
        let own = priority[actor]!;
        if (own === 0) {
          own = rng.next();
          priority[actor] = own;
        }
        if (own > highest) {
          highest = own;
          best = actor;
        }
      }
      if (best < 0) {
        // Everybody who can go on is held: the intended actor cannot arrive.
        this.release();
        this.intended = -1;
        this.onlyEnabled = true;
        continue;
      }
      if (!this.interesting(best)) return best;
      if (this.intended < 0) this.intended = this.drawIntended(enabled, count);
      if (best === this.intended) return best;
      held[best] = 1;
      this.holding = true;
    }
  }

  /** Nobody is held when this is called. At least one actor that can go on is about to make an access. */
  private drawIntended(enabled: Int32Array, count: number): number {
    const { left, actors, weights } = this;
    const alsoWaiting = !this.onlyEnabled;
    let total = 0;
    let next = 0;
    for (let actor = 0; actor < actors.length; actor++) {
      const own = left[actor]!;
      let weight = 0;
      if (next < count && enabled[next] === actor) {
        next++;
        weight = own < 1 && this.interesting(actor) ? 1 : own;
        // An actor that waits has its accesses still to come; one that has ended may have been overestimated.
      } else if (alsoWaiting && actors[actor]!.pendingOp === Op.Wait) weight = own;
      weights[actor] = weight;
      total += weight;
    }
    let at = this.rng.unit() * total;
    let last = enabled[0]!;
    for (let actor = 0; actor < actors.length; actor++) {
      if (weights[actor] === 0) continue;
      last = actor;
      at -= weights[actor]!;
      if (at < 0) break;
    }
    return last;
  }

  step(actor: number): void {
    this.priority[actor] = 0;
    if (this.interesting(actor)) {
      this.left[actor] = Math.max(0, this.left[actor]! - 1);
      this.release();
      this.onlyEnabled = false;
      if (this.intended === actor) this.intended = -1;
    }
    this.near[actor] = 0;
    if (actor !== this.lastActor) {
      this.lastActor = actor;
      this.inARow = 0;
    } else if (++this.inARow > FAIRNESS) {
      this.inARow = 0;
      this.priority.fill(0);
      this.release();
    }
  }
}

export default defineStrategy({
  name: 'surw',
  summary: 'uniform over the orders of accesses to one location, a new one per schedule',
  paper: 'Zhao et al., ASPLOS 2025',
  needsProfile: true,
  unfair: true,
  excerpt: ({ profile, master }, schedule) => {
    const chosen = drawLocation(locationsOf(profile), master, schedule);
    if (chosen === undefined) return lengthOnly(profile);
    return { ...lengthOnly(profile), location: chosen.location, accesses: [...chosen.accesses] };
  },
  make: (context) => new Surw(context),
});
