/**
 * A fair end for strategies that can starve an actor for ever (Coyote, Deligiannis et al., TACAS 2023; the same idea as in fair
 * PCT). Actors of this machine wait for each other in loops: a vCPU runs until the migration is over. Under fixed priorities,
 * or where nobody is preempted, such a loop would never end and look like a livelock. So a schedule goes on as a random walk
 * once it has had FAIR_AFTER times as many decisions as a profile run had events: long after what the strategy wanted to try.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { mix, Rng, Stream } from '../cpu/random.ts';
import type { Profile } from './profile.ts';
import type { Scheduler } from '../runtime/scheduler.ts';

const FAIR_AFTER = 4;

export class FairTail implements Scheduler {
  private readonly inner: Scheduler;
  private readonly master: number;
  private readonly limit: number;
  private readonly rng = new Rng(1);
  private decisions = 0;

  constructor(inner: Scheduler, master: number, profile: Profile) {
    this.inner = inner;
    this.master = master;
    this.limit = FAIR_AFTER * profile.length;
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    this.rng.seed(mix(this.master, schedule, Stream.schedule, 8));
    this.decisions = 0;
    this.inner.begin(actors, schedule);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    if (this.decisions++ < this.limit) return this.inner.pick(enabled, count, current);
    return enabled[this.rng.below(count)]!;
  }

  step(actor: number): void {
    this.inner.step?.(actor);
  }

  end(decisions: number, steps: number, failed: boolean): void {
    this.inner.end?.(decisions, steps, failed);
  }
}
