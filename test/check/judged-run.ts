/** Runs schedules of small machines under the judge, and machines to break by hand. */
import { makeJudge } from '../../src/check/judge.ts';
import { dirtyLogCheck } from '../../src/check/dirty.ts';
import { shadowedCheck } from '../../src/check/shadowed.ts';
import { guestEntry, sleepingAllocation } from '../../src/check/steps-cpu.ts';
import { protectedAtReturn, shadowedAtRelease } from '../../src/check/steps-log.ts';
import { splitPasses } from '../../src/check/steps-pass.ts';
import { splitContents } from '../../src/check/steps-split.ts';
import { tlbCheck } from '../../src/check/tlb.ts';
import type { StateCheck, StepCheckFamily } from '../../src/check/types.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { ControlledRuntime } from '../../src/runtime/controlled.ts';
import type { Violation } from '../../src/runtime/outcome.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { defineScenario, type MachineSpec, type Scenario, type Units } from '../../src/scenario/define.ts';

export const STATE_CHECKS: readonly StateCheck[] = [dirtyLogCheck, tlbCheck, shadowedCheck];
export const STEP_CHECKS: readonly StepCheckFamily[] = [
  splitContents,
  splitPasses,
  shadowedAtRelease,
  protectedAtReturn,
  sleepingAllocation,
  guestEntry,
];

export const scenarioOf = (
  name: string,
  machine: (units: Units) => MachineSpec,
  explore: Scenario['explore'] = {},
): Scenario =>
  defineScenario({
    name,
    summary: name,
    about: name,
    facts: [],
    explore: { memory: '64K', backing: '2m', ...explore },
    machine: (_p, units) => machine(units),
  });

/** Every page mapped by level-2 entries at `aliases` ranges of L2. */
export const aliased = (aliases: number, perm: 'rwx' | 'rx' = 'rwx'): Scenario =>
  scenarioOf('aliased', ({ base, pages, huge2 }) => ({
    roots: [
      {
        name: 'L2',
        mappings: Array.from({ length: aliases }, (_, alias) => ({
          l2Gfn: alias * pages,
          l1Gfn: base,
          level: 2 as const,
          count: pages / huge2,
          perm,
        })),
      },
    ],
    populate: 'all',
  }));

/** Three roots of two kinds of role and permission: every 4K page ends with three SPTEs, in three children. */
export const threeRoots: Scenario = scenarioOf('three children', ({ base, pages, huge2 }) => {
  const mapping = { l2Gfn: 0, l1Gfn: base, level: 2 as const, count: pages / huge2 };
  return {
    roots: [
      { name: 'A', mappings: [mapping] },
      { name: 'B', smep: true, mappings: [mapping] },
      { name: 'C', mappings: [{ ...mapping, perm: 'rx' }] },
    ],
    populate: 'all',
  };
});

/** L1's memory is one level-3 page for one L2 range and level-2 pages for another. */
export const twoSizes: Scenario = scenarioOf(
  'two sizes',
  ({ base, pages, huge2 }) => ({
    roots: [
      {
        name: 'L2',
        mappings: [
          { l2Gfn: 0, l1Gfn: base, level: 3, count: 1 },
          { l2Gfn: 16, l1Gfn: base, level: 2, count: pages / huge2 },
        ],
      },
    ],
    populate: 'all',
  }),
  { backing: '1g' },
);

export interface RunOptions {
  readonly engine?: Partial<Engine>;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly schedules?: number;
  readonly stateChecks?: readonly StateCheck[];
  readonly stepChecks?: readonly StepCheckFamily[];
}

export function runtimeOf(scenario: Scenario, options: RunOptions = {}): ControlledRuntime {
  const machine = buildMachine(scenario, 'explore', options.parameters ?? {});
  return new ControlledRuntime({
    machine,
    layout: layoutThatFits(machine, 2 ** 30),
    engine: { ...P1_ENGINE, ...options.engine },
    judge: makeJudge({
      stateChecks: options.stateChecks ?? STATE_CHECKS,
      stepChecks: options.stepChecks ?? STEP_CHECKS,
    }),
  });
}

/** The violations of the first schedules; at most one schedule's worth unless the machine is clean. */
export function violationsOf(scenario: Scenario, options: RunOptions = {}): readonly Violation[] {
  const runtime = runtimeOf(scenario, options);
  for (let schedule = 0; schedule < (options.schedules ?? 40); schedule++) {
    const { violations } = runtime.run(new RandomWalk(7), 7, schedule);
    if (violations.length > 0) return violations;
  }
  return [];
}

/** The ids found when only these checks look: a broken engine breaks several rules, and the first one ends the run. */
export function idsOf(scenario: Scenario, options: RunOptions): string[] {
  return [...new Set(violationsOf(scenario, options).map(({ id }) => id))].sort();
}
