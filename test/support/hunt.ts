/** Random schedules of a machine under all checks, until one of them is broken. */
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { ControlledRuntime } from '../../src/runtime/controlled.ts';
import { buildMachine, layoutThatFits, type Machine } from '../../src/scenario/build.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { engineOf, findVariant } from '../../src/variants/index.ts';
import { LIMIT, runTwice, type Given } from './machines.ts';

/** The engine of `p2` or of `p3+desc-6.4`. */
export const engineNamed = (names: string): Engine =>
  engineOf(
    names.split('+').map((name) => {
      const variant = findVariant(name);
      if (variant === undefined) throw new Error(`no variant ${name}`);
      return variant;
    }),
  );

export const shipped = async (scenario: string, given: Given = {}): Promise<Machine> =>
  buildMachine(await loadScenario(scenario), 'explore', given);

export interface HuntOptions {
  /** Ids whose findings do not count. */
  readonly without?: readonly string[];
  readonly master?: number;
}

/** Id of what is broken first within so many schedules; undefined if nothing is. The schedule that breaks it is run twice. */
export function hunt(
  machine: Machine,
  engine: Engine,
  schedules: number,
  { without = [], master = 7 }: HuntOptions = {},
): string | undefined {
  const runtime = new ControlledRuntime({
    machine,
    layout: layoutThatFits(machine, LIMIT),
    engine,
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
    without: new Set(without),
  });
  for (let schedule = 0; schedule < schedules; schedule++) {
    const { violations } = runtime.run(new RandomWalk(master), master, schedule);
    if (violations.length > 0) return runTwice(runtime, schedule, master).violations[0]!.id;
  }
  return undefined;
}
