/** One controlled run, as data: a machine, who decides, and what is judged. What a token and a schedule file stand for. */
import type { CustomActor } from '../actors/context.ts';
import type { Layout } from '../arena/layout.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../check/all.ts';
import { makeJudge } from '../check/judge.ts';
import { masterSeed } from '../cpu/random.ts';
import type { Excerpt } from '../explore/excerpt.ts';
import { locationGroups } from '../explore/locations.ts';
import { OverrideScheduler, type Override } from '../explore/overrides.ts';
import { Schedules } from '../explore/scheduler-of.ts';
import type { Kept } from '../explore/runner.ts';
import type { ChosenStrategy } from '../explore/strategies/index.ts';
import type { Engine } from '../mmu/engine.ts';
import { ControlledRuntime } from '../runtime/controlled.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import type { Machine } from '../scenario/build.ts';

/** Who decides: a strategy, or overrides on the base that never preempts. */
export type RunPlan =
  | {
      readonly strategy: ChosenStrategy;
      /** How the user named a strategy of their own. */
      readonly text?: string;
      /** What the strategy reads of the profile; without it the profile is made. */
      readonly excerpt?: Excerpt | undefined;
    }
  | { readonly overrides: readonly Override[] };

export interface RunSpec {
  readonly machine: Machine;
  readonly layout: Layout;
  readonly engine: Engine;
  readonly custom: Readonly<Record<string, CustomActor>> | undefined;
  /** Ids of checks whose findings do not count. */
  readonly without: ReadonlySet<string>;
  /** Actors that stay away, by number. */
  readonly idle: ReadonlySet<number>;
  /** The only moves of actors that do not make all of theirs. */
  readonly kept?: Kept;
  readonly seed: string;
  readonly schedule: number;
  readonly plan: RunPlan;
}

/** A runtime for the run, under all checks; its actors that stay away do so. */
export function runtimeOf(spec: Omit<RunSpec, 'seed' | 'schedule' | 'plan'>): ControlledRuntime {
  const judge = makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS });
  const runtime = new ControlledRuntime({ ...spec, judge });
  runtime.idle = spec.idle;
  if (spec.kept !== undefined) runtime.kept = spec.kept;
  return runtime;
}

/** The plan with what its strategy reads of the profile, which is made here if it is not known. */
export function settledPlan(runtime: ControlledRuntime, { plan, seed, schedule }: RunSpec): RunPlan {
  if ('overrides' in plan || plan.excerpt !== undefined) return plan;
  const schedules = new Schedules(runtime, masterSeed(seed), plan.strategy, locationGroups(runtime.kvm));
  return { ...plan, excerpt: schedules.excerpt(schedule) };
}

/** Who decides in the run; a strategy that needs a profile makes it here unless the plan has what it reads. */
export function schedulerOf(runtime: ControlledRuntime, { plan, seed, schedule }: RunSpec): Scheduler {
  if ('overrides' in plan) return new OverrideScheduler(plan.overrides);
  const { strategy, excerpt } = plan;
  const groups = locationGroups(runtime.kvm);
  return new Schedules(runtime, masterSeed(seed), strategy, groups, excerpt).of(schedule);
}
