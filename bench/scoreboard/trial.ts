/** One trial: a search that ends at the first failure or at the budget. */
import type { GroupOf } from '../../src/explore/profile.ts';
import type { Runner } from '../../src/explore/runner.ts';
import { Schedules } from '../../src/explore/scheduler-of.ts';
import type { ChosenStrategy } from '../../src/explore/strategies/index.ts';

/** What is searched. */
export interface Subject {
  readonly name: string;
  readonly runner: Runner;
  readonly groupOf?: GroupOf | undefined;
}

export interface Trial {
  /** Schedules run, profile runs and the failing one included. */
  readonly schedules: number;
  /** Visible operations made. */
  readonly steps: number;
  /** Id of what was violated; absent if the budget ended first. */
  readonly found?: string;
}

/** Runs schedules 0, 1, ... of the strategy until one fails. */
export function runTrial(subject: Subject, chosen: ChosenStrategy, master: number, budget: number): Trial {
  const { runner, groupOf } = subject;
  const schedules = new Schedules(runner, master, chosen, groupOf);
  let steps = 0;
  for (let schedule = 0; schedule < budget; schedule++) {
    const result = runner.run(schedules.of(schedule), master, schedule);
    steps += result.steps;
    const violation = result.violations[0];
    if (violation !== undefined) return { schedules: schedule + 1, steps, found: violation.id };
  }
  return { schedules: budget, steps };
}
