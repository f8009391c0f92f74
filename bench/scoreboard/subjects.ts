/** What the scoreboard searches: the kernels, and the bugs of this project, each in a scenario that gives it a chance. */
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { locationGroups } from '../../src/explore/locations.ts';
import { ProgramRunner } from '../../src/explore/program.ts';
import { ControlledRuntime } from '../../src/runtime/controlled.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import type { Variant } from '../../src/variants/define.ts';
import { engineOf, VARIANTS } from '../../src/variants/index.ts';
import { HUNDRED, MANY, SMALL } from '../kernels/all.ts';
import type { Kernel } from '../kernels/kernel.ts';
import type { Subject } from './trial.ts';

/** Blocks of rows. */
export const BLOCKS = ['small', 'many', 'hundred', 'bugs'] as const;
export type Block = (typeof BLOCKS)[number];

export const BLOCK_TITLES: Readonly<Record<Block, string>> = {
  small: 'Kernels with few threads',
  many: 'Kernels with many threads',
  hundred: 'Kernels with a hundred threads',
  bugs: 'Bugs of this project, without flush accounting',
};

export interface Entry {
  readonly name: string;
  readonly block: Block;
  /** Opens it: boots a machine, or lays out a program. */
  readonly open: () => Promise<Subject>;
  readonly kernel?: Kernel;
}

/** Most bytes of an arena that is explored. */
const LIMIT = 2 ** 32;

/**
 * What does not count as found. D24 counts flushes against the profile: it gives a missing flush away at once, and what matters is
 * that the damage is found. A livelock is what an unfair strategy makes of actors that wait for others, bug or no bug.
 */
const IGNORED: ReadonlySet<string> = new Set(['D24', 'livelock']);
/** Steps after which a run that an unfair strategy keeps from its end is given up. */
const MAX_STEPS = 20_000;

const kernels = (block: Block, list: readonly Kernel[]): Entry[] =>
  list.map((kernel) => ({
    name: kernel.name,
    block,
    kernel,
    open: () => Promise.resolve({ name: kernel.name, runner: new ProgramRunner(kernel.program) }),
  }));

async function openVariant(variant: Variant): Promise<Subject> {
  const scenario = await loadScenario(variant.scenario ?? 'nested-migration');
  const machine = buildMachine(scenario, 'explore', variant.parameters);
  const runner = new ControlledRuntime({
    machine,
    layout: layoutThatFits(machine, LIMIT),
    engine: engineOf([variant]),
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
    custom: scenario.actors,
    without: IGNORED,
    livelockSteps: MAX_STEPS,
    maxSteps: MAX_STEPS,
  });
  return { name: variant.name, runner, groupOf: locationGroups(runner.kvm) };
}

/** All of them, block by block. */
export const ENTRIES: readonly Entry[] = [
  ...kernels('small', SMALL),
  ...kernels('many', MANY),
  ...kernels('hundred', HUNDRED),
  // Not those that only flush too much: D24 alone sees them.
  ...VARIANTS.filter(({ kind, caughtBy }) => kind === 'bug' && !caughtBy.every((id) => IGNORED.has(id))).map(
    (variant): Entry => ({
      name: variant.name,
      block: 'bugs',
      open: () => openVariant(variant),
    }),
  ),
];

export const entryOf = (name: string): Entry | undefined => ENTRIES.find((entry) => entry.name === name);
