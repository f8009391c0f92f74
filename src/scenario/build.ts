/** From a scenario and parameter values to a machine: plain data that any runtime can start. */
import type { ActorSpec } from '../actors/context.ts';
import { ArenaError } from '../arena/errors.ts';
import { computeLayout, describeParts, formatBytes, type ArenaDims, type Layout } from '../arena/layout.ts';
import { countGuestTables } from '../mmu/boot.ts';
import { NO_CAST, type KvmConfig, type PreemptModel } from '../mmu/config.ts';
import { makeActors, populateAll } from './actors.ts';
import { castConfig, DEFAULT_SPARE_TABLES, levelsFor } from './cast-config.ts';
import { checkAdBits, checkCast, checkGuestMode } from './check-cast.ts';
import { checkLogging } from './check-logging.ts';
import { checkMmuPages, checkPopulate, checkRanges, checkShards } from './check-machine.ts';
import type { PopulateSpec, Scenario, Units } from './define.ts';
import { arenaDims } from './dims.ts';
import { PAGE_SIZE, type ParameterValues } from './parameters.ts';
import { resolveParameters, type Purpose } from './resolve.ts';
import { convertRoot, placeRoots } from './roots.ts';
import { extraSlots } from './slots.ts';
import { ScenarioError, validateMachine } from './validate.ts';

export { arenaDims } from './dims.ts';
export { resolveParameters, scenarioParameters, type Purpose } from './resolve.ts';

/** A machine ready to be started. It can be posted to a worker. */
export interface Machine {
  readonly scenario: string;
  readonly purpose: Purpose;
  readonly parameters: ParameterValues;
  readonly config: KvmConfig;
  readonly dims: ArenaDims;
  readonly actors: readonly ActorSpec[];
  readonly populate: readonly PopulateSpec[];
}

const BACKING_LEVEL: Readonly<Record<string, number>> = { '4k': 1, '2m': 2, '1g': 3 };

/**
 * Builds the machine.
 * @throws ParameterError, ScenarioError or ArenaError, before anything runs
 */
export function buildMachine(
  scenario: Scenario,
  purpose: Purpose,
  given: Readonly<Record<string, unknown>> = {},
): Machine {
  const p = resolveParameters(scenario, purpose, given);
  const huge2 = 2 ** p.tableBits;
  const huge3 = 2 ** (2 * p.tableBits);
  const pages = p.memory / PAGE_SIZE;
  // Slot 0 holds L1's tables, from a fixed place on; the migrated slot starts at a level-3 boundary above it.
  const units: Units = { huge2, huge3, base: Math.max(huge3, Math.min(64, 2 * huge3)), pages };
  const spec = validateMachine(scenario.machine(p, units), scenario.name);
  const shape = { tableBits: p.tableBits, rootLevel: p.rootLevel };
  const converted = spec.roots.map((root, index) => convertRoot(scenario, root, index, units));
  const roots = placeRoots(scenario, { ...shape, roots: converted });
  const cast = spec.cast ?? [];
  const spareTables = spec.spareTables ?? (p.l1Vcpus > 0 ? DEFAULT_SPARE_TABLES : 0);
  const tablePages = countGuestTables({ ...shape, roots }) + spareTables;
  const inSlot = spec.tables === 'migrated-slot';
  if (!inSlot && tablePages + FIRST_TABLE_GFN > units.base) {
    throw new ScenarioError(
      `L1's ${tablePages} tables do not fit below gfn ${units.base}; map with larger pages`,
    );
  }
  if (inSlot && tablePages > pages)
    throw new ScenarioError(`L1's ${tablePages} tables do not fit into ${pages} pages`);
  const workPages = Math.min(units.base, FIRST_TABLE_GFN + (inSlot ? 0 : tablePages));
  const backing = BACKING_LEVEL[p.backing]!;
  let config: KvmConfig = {
    ...NO_CAST,
    format: p.format as 'ept' | 'npt',
    ...shape,
    vcpus: p.vcpus + p.l1Vcpus,
    shards: p.splitters,
    slots: extraSlots(spec, units, [
      { id: 0, baseGfn: 0, npages: workPages, backing: 1, basePfn: 0, readonly: false, hvaMisaligned: false },
      {
        id: 1,
        baseGfn: units.base,
        npages: pages,
        backing,
        basePfn: units.base,
        readonly: false,
        hvaMisaligned: false,
      },
    ]),
    roots,
    tableGfn: inSlot ? units.base + pages - tablePages : FIRST_TABLE_GFN,
    tablePages,
    nxHugePages: p.nx,
    eagerPageSplit: p.eager,
    tdpMmu: p.tdpMmu,
    // Nested EPT offers A and D bits only if the host has them.
    l1AdBits: p.format === 'npt' || (p.l1AdBits && p.hostAdBits),
    manualProtect: { off: 0, manual: 1, 'initially-set': 3 }[p.manual]!,
    preempt: p.preempt as PreemptModel,
    reschedRate: p.reschedRate,
    allocFailRate: p.allocFailRate,
    nrMmuPages: p.mmuPages,
    recycleThreshold: p.recycleThreshold,
    tlbBits: p.tlbBits,
    ...castConfig(cast, p, spareTables),
  };
  config = { ...config, tdpRootLevel: levelsFor(config) };
  checkRanges(scenario, config);
  checkPopulate(scenario, spec, roots.length);
  checkMmuPages(config);
  checkAdBits(p);
  checkLogging(p, config);
  checkGuestMode(scenario, config);
  checkCast(scenario, spec, p, config);
  checkShards(p.splitters, units, backing);
  const actors = makeActors(spec, p, config);
  return {
    scenario: scenario.name,
    purpose,
    parameters: p,
    config,
    dims: arenaDims(config, actors.length),
    actors,
    populate: spec.populate === 'all' ? populateAll(config) : spec.populate,
  };
}

/** L1's tables start here in slot 0: low enough for small machines, not gfn 0. */
const FIRST_TABLE_GFN = 8;

/**
 * The layout, if it fits.
 * @param limitBytes memory that may be used
 * @throws ArenaError with the sum of its parts
 */
export function layoutThatFits(machine: Machine, limitBytes: number): Layout {
  const layout = computeLayout(machine.dims);
  if (layout.words * 4 > limitBytes) {
    throw new ArenaError(
      `the machine does not fit: ${describeParts(layout)}, and ${formatBytes(limitBytes)} may be used`,
    );
  }
  return layout;
}
