/** What scenario and variant files import, and the programmatic interface. */
export { defineScenario } from './scenario/define.ts';
export type { MachineSpec, MappingSpec, PopulateSpec, RootSpec, Scenario, Units } from './scenario/define.ts';
export { defineVariant } from './variants/define.ts';
export type { Variant } from './variants/define.ts';
export {
  confirmed,
  defineExperiment,
  measured,
  open,
  refuted,
  type Experiment,
  type Lab,
} from './campaign/claims/define.ts';
export type { Engine } from './mmu/engine.ts';
export type { Outcome } from './report/schema.ts';
export type { CustomActor, ActorContext } from './actors/context.ts';
export { Op, type Steps } from './cpu/steps.ts';
export { defineStrategy, type Strategy, type StrategyContext } from './explore/strategy.ts';
export type { Scheduler } from './runtime/scheduler.ts';
export { mix, Rng } from './cpu/random.ts';
