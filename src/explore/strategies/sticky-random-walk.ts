/**
 * Sticky random walk: stays on the running actor with a fixed probability, and otherwise walks at random.
 *
 * A random walk switches so often that long undisturbed stretches, which most bugs need, are rare. Staying makes preemptions
 * as rare as they are on real machines (compare the random scheduling of Fray, Li et al., OOPSLA 2025). The option is the
 * probability of staying.
 */
import { mix, Rng, Stream } from '../../cpu/random.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import { defineStrategy } from '../strategy.ts';

class StickyRandomWalk implements Scheduler {
  private readonly master: number;
  private readonly stay: number;
  private readonly rng = new Rng(1);

  constructor(master: number, stay: number) {
    this.master = master;
    this.stay = stay;
  }

  begin(_actors: readonly Cpu[], schedule: number): void {
    this.rng.seed(mix(this.master, schedule, Stream.schedule, 1));
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    if (this.rng.chance(this.stay)) {
      for (let i = 0; i < count; i++) if (enabled[i] === current) return current;
    }
    return enabled[this.rng.below(count)]!;
  }
}

export default defineStrategy({
  name: 'sticky',
  summary: 'random walk that stays on the running actor with the given probability',
  paper: 'Li et al., OOPSLA 2025 (Fray)',
  needsProfile: false,
  option: { describe: 'probability of staying', min: 0, max: 0.999, default: 0.9, integer: false },
  make: ({ master, option }) => new StickyRandomWalk(master, option),
});
