/** Machines in which actors that concern the whole VM run against the migration and the vCPUs, under every check. */
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { C, type CounterName } from '../../src/cpu/counters.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import type { Machine } from '../../src/scenario/build.ts';
import type {
  CastSpec,
  ExtraSlotSpec,
  MachineSpec,
  MappingSpec,
  PopulateSpec,
  Units,
} from '../../src/scenario/define.ts';
import { controlledOf, machineOf, runTwice, type Given } from './machines.ts';

/** Pages of the further slot. */
export const EXTRA_PAGES = 16;

export interface CastMachine {
  readonly extraSlots?: readonly ExtraSlotSpec[];
  /** Without a migration nothing stops a vCPU that does not get on. */
  readonly migration?: boolean;
}

/**
 * L2 sees the migrated slot and the further slots behind it one to one by 2M pages, under two roots of different roles, so
 * that there are two trees of shadow pages. With `nx`, half of the pages were fetched from before the start.
 */
const everything =
  (cast: readonly CastSpec[], { extraSlots, migration }: Required<CastMachine>, nx: boolean) =>
  (units: Units): MachineSpec => {
    const { base, pages, huge2 } = units;
    const all = pages + extraSlots.length * EXTRA_PAGES;
    const mapping: MappingSpec = { l2Gfn: base, l1Gfn: base, level: 2, count: all / huge2 };
    const huge = (root: number): PopulateSpec => ({
      root,
      access: 'write',
      l2Gfn: base,
      count: pages / huge2,
      stride: huge2,
    });
    const fetched: PopulateSpec = { access: 'exec', l2Gfn: base, count: pages / huge2 / 2, stride: huge2 };
    return {
      roots: [
        { name: 'A', mappings: [mapping] },
        { name: 'B', smep: true, mappings: [mapping] },
      ],
      populate: [...(nx ? [fetched] : []), huge(0), huge(1)],
      extraSlots,
      migration,
      cast,
    };
  };

export const BUSY: Given = {
  rootLevel: 4,
  backing: '2m',
  vcpus: 2,
  rounds: 1,
  castRounds: 3,
  ops: 40,
  writeFraction: 0.5,
  rootSwitchRate: 0.1,
};

/** A machine with this cast and, unless said otherwise, one further slot and a migration. */
export const castMachine = (
  cast: readonly CastSpec[],
  given: Given = {},
  { extraSlots = [{ pages: EXTRA_PAGES }], migration = true }: CastMachine = {},
): Machine =>
  machineOf(everything(cast, { extraSlots, migration }, given['nx'] === true), { ...BUSY, ...given });

export interface Played {
  /** Ids of what was found, in the order in which they were first seen. */
  readonly ids: readonly string[];
  readonly text: string;
  readonly inconclusive: number;
  count(name: CounterName): number;
}

/** Runs schedules, each twice, until one of them finds something. */
export function play(machine: Machine, schedules: number, engine: Partial<Engine> = {}, master = 7): Played {
  const runtime = controlledOf(machine, {
    engine: { ...P1_ENGINE, ...engine },
    // The bound on rounds without a split takes every waiter for one that is scheduled.
    without: new Set(['D13']),
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS, endRate: 0.2 }),
  });
  const totals = new Float64Array(runtime.cpus[0]!.counters.length);
  let ids: string[] = [];
  let text = '';
  let inconclusive = 0;
  for (let schedule = 0; schedule < schedules && ids.length === 0; schedule++) {
    const result = runTwice(runtime, schedule, master);
    for (const { counters } of runtime.cpus) counters.forEach((value, at) => (totals[at]! += value));
    ids = [...new Set(result.violations.map(({ id }) => id))];
    text = result.violations.map(({ id, text: what }) => `${schedule}: ${id} ${what}`).join('\n');
    if (result.truncated) inconclusive++;
  }
  return { ids, text, inconclusive, count: (name) => totals[C[name]]! };
}
