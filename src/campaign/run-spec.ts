/** One controlled run, as data: a machine, who decides, and what is judged. What a token and a schedule file stand for. */
import type { CustomActor } from '../actors/context.ts';
import type { Layout } from '../arena/layout.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../check/all.ts';
import { makeJudge } from '../check/judge.ts';
import { masterSeed } from '../cpu/random.ts';
import { locationGroups } from '../explore/locations.ts';
import { OverrideScheduler, type Override } from '../explore/overrides.ts';
import { Schedules } from '../explore/scheduler-of.ts';
import type { ChosenStrategy } from '../explore/strategies/index.ts';
import type { Engine } from '../mmu/engine.ts';
import { ControlledRuntime } from '../runtime/controlled.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import type { Machine } from '../scenario/build.ts';

/** Who decides: a strategy, or overrides on the base that never preempts. */
export type RunPlan =
  // `text` is how the user named a strategy of their own.
  { readonly strategy: ChosenStrategy; readonly text?: string } | { readonly overrides: readonly Override[] };

export interface RunSpec {
  readonly machine: Machine;
  readonly layout: Layout;
  readonly engine: Engine;
  readonly custom: Readonly<Record<string, CustomActor>> | undefined;
  /** Ids of checks whose findings do not count. */
  readonly without: ReadonlySet<string>;
  /** Actors that stay away, by number. */
  readonly idle: ReadonlySet<number>;
  readonly seed: string;
  readonly schedule: number;
  readonly plan: RunPlan;
}

/** A runtime for the run, under all checks; its actors that stay away do so. */
export function runtimeOf(spec: Omit<RunSpec, 'seed' | 'schedule' | 'plan'>): ControlledRuntime {
  const judge = makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS });
  const runtime = new ControlledRuntime({ ...spec, judge });
  runtime.idle = spec.idle;
  return runtime;
}

/** Who decides in the run; a strategy that needs a profile makes it here, once. */
export function schedulerOf(runtime: ControlledRuntime, { plan, seed, schedule }: RunSpec): Scheduler {
  if ('overrides' in plan) return new OverrideScheduler(plan.overrides);
  const schedules = new Schedules(runtime, masterSeed(seed), plan.strategy, locationGroups(runtime.kvm));
  return schedules.of(schedule);
}
