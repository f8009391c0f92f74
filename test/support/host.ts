/** Machines whose host moves, unmaps and ages guest pages, and what schedules of them break. */
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import type { StateCheck, StepCheckFamily } from '../../src/check/types.ts';
import type { CounterName } from '../../src/cpu/counters.ts';
import { C } from '../../src/cpu/counters.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { ControlledRuntime } from '../../src/runtime/controlled.ts';
import { layoutThatFits, type Machine } from '../../src/scenario/build.ts';
import type { CastSpec, MachineSpec, Units } from '../../src/scenario/define.ts';
import { identity, LIMIT, machineOf, runTwice, type Given } from './machines.ts';

/** A guest mapped with 2M pages, and these members of the cast. */
export const hostMachine = (
  cast: readonly CastSpec[],
  given: Given = {},
  spec: (units: Units) => MachineSpec = identity(2),
): Machine =>
  machineOf((units) => ({ ...spec(units), cast }), {
    backing: '2m',
    vcpus: 2,
    rounds: 2,
    castRounds: 6,
    reschedRate: 0.05,
    ...given,
  });

export interface HostRuns {
  /** Ids of what was broken, sorted. */
  readonly ids: readonly string[];
  count(name: CounterName): number;
}

export interface HostRunOptions {
  readonly engine?: Partial<Engine>;
  readonly schedules?: number;
  readonly stateChecks?: readonly StateCheck[];
  readonly stepChecks?: readonly StepCheckFamily[];
}

/** Runs the first schedules, each twice, under these checks or all. */
export function runHost(machine: Machine, options: HostRunOptions = {}): HostRuns {
  const runtime = new ControlledRuntime({
    machine,
    layout: layoutThatFits(machine, LIMIT),
    engine: { ...P1_ENGINE, ...options.engine },
    judge: makeJudge({
      stateChecks: options.stateChecks ?? ALL_STATE_CHECKS,
      stepChecks: options.stepChecks ?? ALL_STEP_CHECKS,
    }),
  });
  const ids = new Set<string>();
  for (let schedule = 0; schedule < (options.schedules ?? 15); schedule++) {
    for (const { id } of runTwice(runtime, schedule).violations) ids.add(id);
  }
  return {
    ids: [...ids].sort(),
    count: (name) => runtime.cpus.reduce((sum, cpu) => sum + cpu.counters[C[name]]!, 0),
  };
}
