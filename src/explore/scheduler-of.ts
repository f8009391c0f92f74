/** From a chosen strategy to the scheduler of one schedule: profile runs come first, as schedules of the search. */
import type { Scheduler } from '../runtime/scheduler.ts';
import { PROFILE_RUNS, Profile, Profiler, type GroupOf } from './profile.ts';
import type { Runner } from './runner.ts';
import type { ChosenStrategy } from './strategies/index.ts';
import { RandomWalk } from './strategies/random-walk.ts';

/**
 * Schedules of one strategy on one runner. Schedule i is a function of (master, i): the profile is made from the schedules
 * 0 to PROFILE_RUNS - 1, by whoever needs it, in any process.
 */
export class Schedules {
  private readonly runner: Runner;
  private readonly master: number;
  private readonly chosen: ChosenStrategy;
  private readonly groupOf: GroupOf | undefined;
  private readonly walk: Scheduler;
  private strategy: Scheduler | undefined;

  constructor(runner: Runner, master: number, chosen: ChosenStrategy, groupOf?: GroupOf) {
    this.runner = runner;
    this.master = master;
    this.chosen = chosen;
    this.groupOf = groupOf;
    this.walk = new RandomWalk(master);
  }

  /** The scheduler of schedule `index`; makes the profile when it is first needed. */
  of(index: number): Scheduler {
    const { strategy, option } = this.chosen;
    if (strategy.needsProfile && index < PROFILE_RUNS) return this.walk;
    this.strategy ??= strategy.make({ master: this.master, option, profile: this.profile() });
    return this.strategy;
  }

  private profile(): Profile {
    const profile = new Profile(this.groupOf);
    if (!this.chosen.strategy.needsProfile) return profile;
    const profiler = new Profiler(this.walk, profile);
    for (let i = 0; i < PROFILE_RUNS; i++) this.runner.run(profiler, this.master, i);
    return profile;
  }
}
