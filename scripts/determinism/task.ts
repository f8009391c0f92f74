/** One task of scripts/determinism.ts: consecutive schedules of a scenario and a strategy, each run twice with all checks. */
import { describeDivergence } from '../../src/campaign/divergence.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { masterSeed } from '../../src/cpu/random.ts';
import { locationGroups } from '../../src/explore/locations.ts';
import { Schedules } from '../../src/explore/scheduler-of.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';
import { Twice } from '../../src/explore/twice.ts';
import { ControlledRuntime } from '../../src/runtime/controlled.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { engineOf } from '../../src/variants/index.ts';

export interface TwiceTask {
  /** A shipped name, or a path. */
  readonly scenario: string;
  readonly strategy: string;
  readonly seed: string;
  readonly from: number;
  readonly schedules: number;
}

export interface TwiceReply {
  readonly schedules: number;
  /** Visible operations of the first runs. */
  readonly steps: number;
  readonly diverged: number;
  /** What the first schedules that differ differ in. */
  readonly differences: readonly string[];
}

const MAX_DIFFERENCES = 3;
/** Steps after which a run that an unfair strategy keeps from its end is cut off, both times. */
const MAX_STEPS = 20_000;

export default async function runTask(task: TwiceTask): Promise<TwiceReply> {
  const scenario = await loadScenario(task.scenario);
  const machine = buildMachine(scenario, 'explore');
  const runtime = new ControlledRuntime({
    machine,
    layout: layoutThatFits(machine, 2 ** 32),
    engine: engineOf([]),
    custom: scenario.actors,
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
    livelockSteps: MAX_STEPS,
    maxSteps: MAX_STEPS,
  });
  const master = masterSeed(`${task.seed}/${task.scenario}/${task.strategy}`);
  const schedules = new Schedules(runtime, master, parseStrategy(task.strategy), locationGroups(runtime.kvm));
  const runs = new Twice(runtime);
  const differences: string[] = [];
  let steps = 0;
  let diverged = 0;
  for (let i = 0; i < task.schedules; i++) {
    const schedule = task.from + i;
    const scheduler = schedules.of(schedule);
    steps += runs.first(scheduler, master, schedule).steps;
    const divergence = runs.again(scheduler, master, schedule);
    if (divergence === undefined) continue;
    diverged++;
    if (differences.length < MAX_DIFFERENCES)
      differences.push(describeDivergence(divergence, (actor) => runtime.cpus[actor]!.name, runtime.kvm));
  }
  return { schedules: task.schedules, steps, diverged, differences };
}
