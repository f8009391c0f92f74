/** From a scenario and parameter values to a machine: plain data that any runtime can start. */
import { CAST } from '../actors/cast.ts';
import type { ActorSpec, CastKind, Workload, WorkloadRange } from '../actors/context.ts';
import { ArenaError } from '../arena/errors.ts';
import {
  computeLayout,
  describeParts,
  formatBytes,
  pagesPerHpage,
  type ArenaDims,
  type Layout,
} from '../arena/layout.ts';
import { countGuestTables } from '../mmu/boot.ts';
import {
  CACHE_OBJECTS,
  defaultMmuPages,
  KVM_MIN_FREE_MMU_PAGES,
  NO_CAST,
  type CastConfig,
  type FlushBackend,
  type KvmConfig,
  type SlotConfig,
  type L1Root,
  type PreemptModel,
} from '../mmu/config.ts';
import { splitDescCapacity } from '../mmu/memory-cache.ts';
import type {
  CastSpec,
  MachineSpec,
  MappingSpec,
  PopulateSpec,
  RootSpec,
  Scenario,
  Units,
} from './define.ts';
import {
  COMMON_PARAMETERS,
  EXPLORE_DEFAULTS,
  PAGE_SIZE,
  ParameterError,
  parseParameter,
  type CommonParameters,
  type Parameter,
  type ParameterValue,
  type ParameterValues,
} from './parameters.ts';
import { ScenarioError, validateMachine } from './validate.ts';

/** Which set of defaults applies. */
export type Purpose = 'run' | 'explore';

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

/** The parameters of a scenario with the defaults of the purpose. */
export function scenarioParameters(scenario: Scenario, purpose: Purpose): Record<string, Parameter> {
  const all: Record<string, Parameter> = { ...COMMON_PARAMETERS, ...scenario.parameters };
  const layers = [scenario.defaults, ...(purpose === 'explore' ? [EXPLORE_DEFAULTS, scenario.explore] : [])];
  for (const layer of layers) {
    for (const [name, value] of Object.entries(layer ?? {})) {
      const parameter = all[name];
      if (parameter === undefined)
        throw new ScenarioError(`scenario ${scenario.name} has a default for ${name}, which is no parameter`);
      all[name] = {
        ...parameter,
        default: parseParameter(parameter, value, `${scenario.name}.${name}`),
      } as Parameter;
    }
  }
  return all;
}

/** @throws ParameterError for a name that is no parameter or a value that is not allowed */
export function resolveParameters(
  scenario: Scenario,
  purpose: Purpose,
  given: Readonly<Record<string, unknown>>,
): CommonParameters & Record<string, ParameterValue> {
  const parameters = scenarioParameters(scenario, purpose);
  const values: Record<string, ParameterValue> = {};
  for (const [name, parameter] of Object.entries(parameters)) values[name] = parameter.default;
  for (const [name, value] of Object.entries(given)) {
    const parameter = parameters[name];
    if (parameter === undefined)
      throw new ParameterError(
        name,
        value,
        `a parameter of ${scenario.name}: ${Object.keys(parameters).join(', ')}`,
      );
    values[name] = parseParameter(parameter, value, name);
  }
  return values as CommonParameters & Record<string, ParameterValue>;
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
  const roots = spec.roots.map((root, index) => convertRoot(scenario, root, index, units));
  const cast = spec.cast ?? [];
  const spareTables = spec.spareTables ?? (p.l1Vcpus > 0 ? DEFAULT_SPARE_TABLES : 0);
  const tablePages =
    countGuestTables({ roots, tableBits: p.tableBits, rootLevel: p.rootLevel }) + spareTables;
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
    tableBits: p.tableBits,
    rootLevel: p.rootLevel,
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
    l1AdBits: p.format === 'npt' || p.l1AdBits,
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

/** Nested tables L1 may add while it runs. */
const DEFAULT_SPARE_TABLES = 8;

/** Casts whose actors change the host's mappings. */
const MOVES_HOST_PAGES: readonly CastKind[] = ['mmu-notifier'];

/** What the parameters and the cast ask for beyond the plain machine. */
function castConfig(
  cast: readonly CastSpec[],
  p: CommonParameters,
  l1SpareTables: number,
): Omit<CastConfig, 'tdpRootLevel'> {
  const hostMap = cast.some(({ kind }) => MOVES_HOST_PAGES.includes(kind));
  return {
    l1Vcpus: p.l1Vcpus,
    hostAdBits: p.format === 'npt' || p.hostAdBits,
    pmlEntries: p.pml,
    ringEntries: p.dirtyRing,
    pscEntries: p.psc,
    hostMap,
    spareFrames: hostMap ? Math.min(4096, Math.max(16, Math.ceil(p.memory / PAGE_SIZE / 4))) : 0,
    flushBackend: p.flushBackend as FlushBackend,
    seqBits: p.seqBits,
    mmioGenBits: p.mmioGenBits,
    nxRecoveryRatio: p.nxRecoveryRatio,
    unsync: p.unsync,
    l1SpareTables,
    enomemRate: p.enomemRate,
    slowAckRate: p.slowAckRate,
    spuriousFaultRate: p.spuriousFaultRate,
    longExitRate: p.longExitRate,
  };
}

/** Levels EPT01 needs for the highest gfn; at least three. */
function levelsFor({ slots, tableBits }: KvmConfig): number {
  const end = Math.max(...slots.map(({ baseGfn, npages }) => baseGfn + npages));
  let levels = 3;
  while (2 ** (levels * tableBits) < end && levels < 5) levels++;
  return levels;
}

/** The slots of every machine, and those a scenario adds above them. */
function extraSlots(spec: MachineSpec, units: Units, slots: SlotConfig[]): SlotConfig[] {
  const all = [...slots];
  (spec.extraSlots ?? []).forEach((extra, at) => {
    const last = all.reduce((max, slot) => Math.max(max, slot.baseGfn + slot.npages), 0);
    const frames = all.reduce((max, slot) => Math.max(max, slot.basePfn + slot.npages), 0);
    const up = (value: number): number => Math.ceil(value / units.huge3) * units.huge3;
    const baseGfn = extra.baseGfn ?? up(last);
    if (baseGfn < last) {
      throw new ScenarioError(`extraSlots.${at}.baseGfn: ${baseGfn} given, allowed is ${last} and above`);
    }
    const shared = all.find(({ id }) => id === extra.sharesMemoryOf);
    if (extra.sharesMemoryOf !== undefined && (shared === undefined || shared.npages !== extra.pages)) {
      throw new ScenarioError(
        `extraSlots.${at}.sharesMemoryOf: ${extra.sharesMemoryOf} given, allowed is the id of an earlier slot of ${extra.pages} pages`,
      );
    }
    all.push({
      id: all.length,
      baseGfn,
      npages: extra.pages,
      backing: shared?.backing ?? slots[1]!.backing,
      // Congruent to the gfn modulo the largest page, so that huge pages are possible.
      basePfn: shared?.basePfn ?? up(frames) + (baseGfn % units.huge3),
      readonly: extra.readonly ?? false,
      hvaMisaligned: false,
      gone: extra.gone ?? false,
    });
  });
  return all;
}

/** L1's tables start here in slot 0: low enough for small machines, not gfn 0. */
const FIRST_TABLE_GFN = 8;

function convertRoot(scenario: Scenario, root: RootSpec, index: number, units: Units): L1Root {
  const pagesOf = (mapping: MappingSpec): number => [0, 1, units.huge2, units.huge3][mapping.level]!;
  return {
    name: root.name,
    smep: root.smep ?? false,
    guestMode: root.guestMode ?? true,
    mappings: root.mappings.map((mapping, at) => {
      const perm = mapping.perm ?? 'rwx';
      const size = pagesOf(mapping);
      if (mapping.l2Gfn % size !== 0 || mapping.l1Gfn % size !== 0 || (mapping.l1Step ?? size) % size !== 0) {
        throw new ScenarioError(
          `scenario ${scenario.name}: roots.${index}.mappings.${at}: l2Gfn, l1Gfn and l1Step must be multiples of ${size} at level ${mapping.level}`,
        );
      }
      return {
        l2Gfn: mapping.l2Gfn,
        l1Gfn: mapping.l1Gfn,
        level: mapping.level,
        count: mapping.count,
        l1Step: mapping.l1Step ?? size,
        write: perm.includes('w'),
        exec: perm.includes('x'),
        accessed: mapping.accessed ?? true,
        dirty: mapping.dirty ?? true,
      };
    }),
  };
}

/** Every page L1 maps must be in a memslot. */
function checkRanges(scenario: Scenario, config: KvmConfig): void {
  /** Slots are in the order of their gfns; a range may go over from one to the next if there is no gap between them. */
  const covered = (first: number, last: number): boolean =>
    config.slots.reduce(
      (at, { baseGfn, npages }) => (at >= baseGfn && at < baseGfn + npages ? baseGfn + npages : at),
      first,
    ) > last;
  const l2Pages = 2 ** (config.rootLevel * config.tableBits);
  config.roots.forEach((root, index) => {
    root.mappings.forEach((mapping, at) => {
      const size = pagesPerHpage(mapping.level, config.tableBits);
      if (mapping.l2Gfn + mapping.count * size > l2Pages) {
        throw new ScenarioError(
          `scenario ${scenario.name}: roots.${index}.mappings.${at} ends at L2 gfn ${mapping.l2Gfn + mapping.count * size}, but ` +
            `${config.rootLevel} levels of ${config.tableBits} bits reach only ${l2Pages}; raise rootLevel or tableBits`,
        );
      }
      const last = mapping.l1Gfn + (mapping.count - 1) * mapping.l1Step + size - 1;
      if (!covered(mapping.l1Gfn, last)) {
        throw new ScenarioError(
          `scenario ${scenario.name}: roots.${index}.mappings.${at} maps L1 gfns ${mapping.l1Gfn} to ${last}, beyond the memory given; ` +
            'with these table sizes more memory or smaller pages are needed',
        );
      }
    });
  });
}

/** Accesses before the start go through roots that exist. */
function checkPopulate(scenario: Scenario, { populate }: MachineSpec, roots: number): void {
  if (populate === 'all') return;
  populate.forEach(({ root = 0 }, at) => {
    if (root >= roots) {
      throw new ScenarioError(
        `scenario ${scenario.name}: populate.${at}.root: ${root} given, allowed is 0 to ${roots - 1}`,
      );
    }
  });
}

/** Below this the first fault cannot even map one page (kernel-facts 2.2). */
function checkMmuPages(config: KvmConfig): void {
  const least = config.roots.length * config.rootLevel + KVM_MIN_FREE_MMU_PAGES;
  if (config.nrMmuPages !== 0 && config.nrMmuPages < least) {
    throw new ParameterError(
      'mmuPages',
      config.nrMmuPages,
      `0, or at least ${least} for ${config.roots.length} roots of ${config.rootLevel} levels`,
    );
  }
}

/** Shards are cut at boundaries of the largest huge page; there must be one for each. */
function checkShards(shards: number, units: Units, backing: number): void {
  const unit = [0, 1, units.huge2, units.huge3][backing]!;
  const available = Math.ceil(units.pages / unit);
  if (shards > available) {
    throw new ParameterError(
      'splitters',
      shards,
      `at most ${available}: the slot has that many pages of its largest size to share`,
    );
  }
}

function populateAll(config: KvmConfig): PopulateSpec[] {
  return config.roots.flatMap((root, index) =>
    root.mappings.map((mapping): PopulateSpec => ({
      root: index,
      access: mapping.write ? 'write' : 'read',
      l2Gfn: mapping.l2Gfn,
      count: mapping.count,
      stride: pagesPerHpage(mapping.level, config.tableBits),
    })),
  );
}

function workloadRanges(config: KvmConfig): WorkloadRange[] {
  return config.roots.flatMap((root, index) =>
    root.mappings.map((mapping): WorkloadRange => ({
      root: index,
      l2Gfn: mapping.l2Gfn,
      pages: mapping.count * pagesPerHpage(mapping.level, config.tableBits),
      write: mapping.write,
      exec: mapping.exec,
    })),
  );
}

function makeActors(spec: MachineSpec, p: CommonParameters, config: KvmConfig): ActorSpec[] {
  const workload: Workload = {
    ops: p.ops,
    writeFraction: p.writeFraction,
    execFraction: p.execFraction,
    rootSwitchRate: p.rootSwitchRate,
    burst: p.burst,
    ranges: workloadRanges(config),
  };
  const actors: ActorSpec[] = [];
  if (spec.migration !== false) actors.push({ kind: 'migration', slots: [1], rounds: p.rounds });
  if (config.shards > 1) {
    for (let shard = 0; shard < config.shards; shard++) actors.push({ kind: 'split-worker', shard });
  }
  for (let vcpu = 0; vcpu < p.vcpus; vcpu++) actors.push({ kind: 'l2-vcpu', vcpu, workload });
  const cast: CastSpec[] = [
    ...(spec.cast ?? []).filter(({ kind }) => kind !== 'l1-vcpu'),
    ...Array.from(
      { length: p.l1Vcpus },
      (): CastSpec => spec.cast?.find(({ kind }) => kind === 'l1-vcpu') ?? { kind: 'l1-vcpu' },
    ),
  ];
  let l1Vcpu = p.vcpus;
  cast.forEach((member, index) => {
    const known = CAST[member.kind];
    if (known === undefined) throw new ScenarioError(`cast.${index}.kind: ${member.kind} is not there`);
    for (const name of Object.keys(member.weights ?? {})) {
      if (!(name in known.moves)) {
        throw new ScenarioError(
          `cast.${index}.weights: ${member.kind} has no move ${name}; allowed are ${Object.keys(known.moves).join(', ')}`,
        );
      }
    }
    actors.push({
      kind: 'cast',
      member: member.kind,
      options: {
        index: member.kind === 'l1-vcpu' ? l1Vcpu++ : index,
        slots: member.slots ?? [1],
        rounds: member.rounds ?? p.castRounds,
        weights: { ...(member.weights ?? known.moves) },
        swarm: p.swarm,
        ranges: workload.ranges,
      },
    });
  });
  for (const custom of spec.actors ?? [])
    actors.push({ kind: 'custom', name: custom.name, options: custom.options ?? {} });
  return actors;
}

/** Sizes of everything, from the configuration alone. */
export function arenaDims(config: KvmConfig, actors: number): ArenaDims {
  const mmuPages = config.nrMmuPages > 0 ? config.nrMmuPages : defaultMmuPages(config.slots);
  const cached = CACHE_OBJECTS * (config.vcpus + config.shards);
  const entries = 2 ** config.tableBits;
  const mapped = config.roots.reduce(
    (sum, root) =>
      sum + root.mappings.reduce((s, m) => s + m.count * pagesPerHpage(m.level, config.tableBits), 0),
    0,
  );
  // Every mapped page split to 4 KiB, twice over: a page may have tables under two roles, as after a clean gpte.
  const mostTables =
    Math.ceil(((2 * mapped) / entries) * (1 + 1 / entries) * (1 + 1 / entries)) + 4 * config.tablePages + 256;
  const last = config.slots.reduce((max, slot) => Math.max(max, slot.basePfn + slot.npages), 0);
  const slotPages = config.slots.reduce((sum, slot) => sum + slot.npages, 0);
  const splitDesc = splitDescCapacity(entries);
  const caches = config.shards * splitDesc + CACHE_OBJECTS * config.vcpus;
  // Descriptors hold the second and later entries of a head. Aliases need them everywhere; without aliases only tables
  // that lost their parent do.
  const aliased = mapped > slotPages ? mapped : Math.ceil(slotPages / 8);
  return {
    tableBits: config.tableBits,
    vcpus: config.vcpus,
    shards: config.shards,
    actors,
    hashBits: 12,
    tables: Math.min(mmuPages, mostTables) + cached + 16,
    shadowInfos: 2 * config.tablePages + CACHE_OBJECTS * config.vcpus + 16,
    descs: caches + aliased + Math.ceil(Math.min(mmuPages, mostTables) / 4) + 256,
    slots: config.slots.map(({ baseGfn, npages }) => ({ baseGfn, npages })),
    pfns: last + config.spareFrames,
    guestTables: config.tablePages,
    tlbBits: config.tlbBits,
    extras: {
      hostMap: config.hostMap,
      spareFrames: config.spareFrames,
      pmlEntries: config.pmlEntries,
      ringEntries: config.ringEntries,
      pscEntries: config.pscEntries,
    },
    caches: { objects: CACHE_OBJECTS, splitDesc },
  };
}

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
