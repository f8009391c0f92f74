/**
 * Random walk: at every decision, one of the actors that can go on, all equally likely.
 *
 * The baseline of the literature (Thomson, Donaldson, Betts, "Concurrency Testing Using Controlled Schedulers", TOPC
 * 2016). Uniform over decisions is far from uniform over interleavings: long actors tend to finish late.
 */
import { mix, Rng, Stream } from '../../cpu/random.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import { defineStrategy } from '../strategy.ts';

export class RandomWalk implements Scheduler {
  private readonly master: number;
  private readonly rng = new Rng(1);

  /** @param master the run's master seed; schedule i uses its own stream of it */
  constructor(master: number) {
    this.master = master;
  }

  begin(_actors: readonly Cpu[], schedule: number): void {
    this.rng.seed(mix(this.master, schedule, Stream.schedule));
  }

  pick(enabled: Int32Array, count: number): number {
    return enabled[this.rng.below(count)]!;
  }
}

export default defineStrategy({
  name: 'random-walk',
  summary: 'every decision uniform among the actors that can go on',
  paper: 'Thomson, Donaldson, Betts, TOPC 2016',
  needsProfile: false,
  make: ({ master }) => new RandomWalk(master),
});
