/**
 * URW, uniform random walk: an actor is picked with probability proportional to the events it still has to make (Zhao et
 * al., "Selectively Uniform Concurrency Testing", ASPLOS 2025, the unselective ablation).
 *
 * With exact counts this is uniform over interleavings. The counts are the maxima of the profile runs; an actor that runs
 * beyond its count keeps weight 1.
 */
import { mix, Rng, Stream } from '../../cpu/random.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import { defineStrategy, type StrategyContext } from '../strategy.ts';

class Urw implements Scheduler {
  private readonly context: StrategyContext;
  private readonly rng = new Rng(1);
  private weight = new Float64Array(0);

  constructor(context: StrategyContext) {
    this.context = context;
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    this.rng.seed(mix(this.context.master, schedule, Stream.schedule, 4));
    this.weight = Float64Array.from(actors, (_, i) => Math.max(1, this.context.profile.events[i] ?? 1));
  }

  pick(enabled: Int32Array, count: number): number {
    const { weight } = this;
    let total = 0;
    for (let i = 0; i < count; i++) total += weight[enabled[i]!]!;
    let at = (this.rng.next() / 4294967296) * total;
    for (let i = 0; i < count - 1; i++) {
      at -= weight[enabled[i]!]!;
      if (at < 0) return enabled[i]!;
    }
    return enabled[count - 1]!;
  }

  step(actor: number): void {
    this.weight[actor] = Math.max(1, this.weight[actor]! - 1);
  }
}

export default defineStrategy({
  name: 'urw',
  summary: 'actors in proportion to the events they still have to make',
  paper: 'Zhao et al., ASPLOS 2025',
  needsProfile: true,
  make: (context) => new Urw(context),
});
