/**
 * What a strategy is: a way to pick the next actor at every decision. One file per strategy under strategies/; the file is
 * the strategy's documentation and opens with its paper. To write one: implement `Scheduler` (a `pick` is enough) and wrap
 * it with `defineStrategy`.
 *
 * A schedule must be a function of (master seed, schedule number, profile) alone, never of schedules before it: that is
 * what makes tokens short and the result of a search the same for any number of workers.
 */
import type { Scheduler } from '../runtime/scheduler.ts';
import type { Excerpt } from './excerpt.ts';
import type { Profile } from './profile.ts';

/** Numbers a strategy takes from its name: `pct:5`. */
export interface StrategyOption {
  readonly describe: string;
  readonly min: number;
  readonly max: number;
  readonly default: number;
  readonly integer: boolean;
}

export interface StrategyContext {
  /** The run's master seed. */
  readonly master: number;
  /** What the profile runs saw; empty for strategies that do not ask for it. */
  readonly profile: Profile;
  /** The option, checked against its range. */
  readonly option: number;
}

export interface Strategy {
  /** Lower case letters, digits and hyphens. */
  readonly name: string;
  /** One sentence for lists. */
  readonly summary: string;
  readonly paper: string;
  /** The schedules 0 to PROFILE_RUNS - 1 are random walks that count events; they belong to the budget. */
  readonly needsProfile: boolean;
  /**
   * It can starve an actor for ever. Then each schedule ends as a random walk, long after the profile runs would have ended
   * (src/explore/fair-tail.ts); needs a profile.
   */
  readonly unfair?: boolean;
  readonly option?: StrategyOption;
  /**
   * What schedule `schedule` reads of the profile: on Profile.of(it) the strategy must make the same schedule. Without it the schedule
   * can be made again, but takes the profile runs each time.
   */
  readonly excerpt?: (context: StrategyContext, schedule: number) => Excerpt;
  readonly make: (context: StrategyContext) => Scheduler;
  /** Only of a portfolio, which has no schedules of its own: what it deals to. */
  readonly arms?: readonly Arm[];
}

/** A strategy in a portfolio. */
export interface Arm {
  readonly strategy: Strategy;
  readonly option: number;
  /** Part of the schedules that it gets at first; all together 1. */
  readonly share: number;
}

/** Gives a strategy its type; returns it as it is. */
export function defineStrategy(strategy: Strategy): Strategy {
  return strategy;
}
