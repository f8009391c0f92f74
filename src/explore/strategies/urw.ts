/**
 * URW, uniform random walk: an actor is picked with probability proportional to the events it still has to make (Zhao et
 * al., "Selectively Uniform Concurrency Testing", ASPLOS 2025, the unselective ablation).
 *
 * With exact counts this is uniform over interleavings. How this differs: actors make their invisible start at once; the counts are the maxima of the profile runs, and
 * an actor that runs beyond its count keeps weight 1; actors exist from the start here, so those that wait to be begun are
 * what the paper's spawned threads are, and their events count for whoever begins them.
 */
import { mix, Rng, Stream } from '../../cpu/random.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import { lengthOnly } from '../excerpt.ts';
import { SpawnWeights } from '../spawn-weights.ts';
import { defineStrategy, type StrategyContext } from '../strategy.ts';

class Urw implements Scheduler {
  private readonly context: StrategyContext;
  private readonly rng = new Rng(1);
  private actors: readonly Cpu[] = [];
  private weights = new SpawnWeights(0, new Int32Array(0));
  /** 1 for actors that have made their start. */
  private started = new Uint8Array(0);
  private toStart = 0;

  constructor(context: StrategyContext) {
    this.context = context;
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    const { profile, master } = this.context;
    this.rng.seed(mix(master, schedule, Stream.schedule, 4));
    if (this.actors !== actors) {
      this.actors = actors;
      this.weights = new SpawnWeights(actors.length, profile.parents);
      this.started = new Uint8Array(actors.length);
    }
    this.started.fill(0);
    this.toStart = actors.length;
    this.weights.begin(profile.events);
  }

  pick(enabled: Int32Array, count: number): number {
    const { weights } = this;
    if (this.toStart > 0) {
      for (let i = 0; i < count; i++) if (this.started[enabled[i]!] === 0) return enabled[i]!;
    }
    weights.update(this.actors, enabled, count);
    const { left } = weights;
    let total = 0;
    for (let i = 0; i < count; i++) total += Math.max(1, left[enabled[i]!]!);
    let at = this.rng.unit() * total;
    for (let i = 0; i < count - 1; i++) {
      at -= Math.max(1, left[enabled[i]!]!);
      if (at < 0) return enabled[i]!;
    }
    return enabled[count - 1]!;
  }

  step(actor: number): void {
    if (this.started[actor] === 0) {
      this.started[actor] = 1;
      this.toStart--;
      return;
    }
    this.weights.left[actor] = Math.max(0, this.weights.left[actor]! - 1);
  }
}

export default defineStrategy({
  name: 'urw',
  summary: 'actors in proportion to the events they still have to make',
  paper: 'Zhao et al., ASPLOS 2025',
  needsProfile: true,
  excerpt: ({ profile }) => ({
    ...lengthOnly(profile),
    events: [...profile.events],
    parents: [...profile.parents],
  }),
  make: (context) => new Urw(context),
});
