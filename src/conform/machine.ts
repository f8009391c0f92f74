/**
 * The machine of a recording: what `setup` says as the model's configuration. Slot 0 is the work area that every recording
 * has: code at fixed places, L1's page tables, and NPT12 from the place of the first root on.
 */
import type { ArenaDims } from '../arena/layout.ts';
import { defaultMmuPages, NO_CAST, type KvmConfig, type L1Mapping, type L1Root } from '../mmu/config.ts';
import type { SlotConfig } from '../mmu/config.ts';
import { MAX_ROOTS } from '../mmu/vcpu-words.ts';
import { arenaDims } from '../scenario/dims.ts';
import type { Operation } from './operations.ts';
import type { Mapping, Memslot, Npt12Root, Recording, Setup } from './recording.ts';

export const PAGE = 4096;
const BACKING_LEVEL = { '4k': 1, '2m': 2, thp: 2, '1g': 3 } as const;
/** Levels of NPT12, and of the tables that KVM makes. */
const ROOT_LEVEL = 4;
const CR4_SMEP = 1n << 20n;
const CR4_SMAP = 1n << 21n;

/** A recording asks for something that the model's machine does not have; the message says what and where. */
export class NotPerformable extends Error {
  override readonly name = 'NotPerformable';
}

/** What of the configuration an operation may change: a module parameter is read whenever it matters. */
export interface MachineConfig extends KvmConfig {
  eagerPageSplit: boolean;
  nxHugePages: boolean;
}

export interface RecordedMachine {
  readonly config: MachineConfig;
  readonly dims: ArenaDims;
  /** Index of a root of NPT12 by name and CR4, as an index into the roots of the configuration. */
  readonly rootIndex: ReadonlyMap<string, number>;
}

/** Key of `RecordedMachine.rootIndex`: the role of a root depends on CR4.SMEP and CR4.SMAP. */
export function rootKey(name: string, cr4: string): string {
  const value = BigInt(cr4);
  return `${name}/${(value & CR4_SMEP) === 0n ? 0 : 1}/${(value & CR4_SMAP) === 0n ? 0 : 1}`;
}

export const baseGfnOf = (memslot: Memslot): number => memslot.base_gfn ?? memslot.gpa / PAGE;
export const npagesOf = (memslot: Memslot): number => memslot.npages ?? memslot.size / PAGE;

/** Slots side by side in host memory; gfn and host address are congruent modulo the host's page. */
function slotConfigs({ memslots }: Setup, operations: readonly Operation[]): SlotConfig[] {
  const later = new Set(operations.flatMap((each) => (each.type === 'set_memslot' ? [each.id] : [])));
  let next = 0;
  return memslots.map((memslot, index): SlotConfig => {
    const backing = BACKING_LEVEL[memslot.backing];
    const unit = 2 ** ((backing - 1) * 9);
    const baseGfn = baseGfnOf(memslot);
    const npages = npagesOf(memslot);
    const offset = (memslot.hva_offset_in_huge_page ?? baseGfn * PAGE) / PAGE;
    if (!Number.isInteger(baseGfn) || !Number.isInteger(npages) || !Number.isInteger(offset)) {
      throw new NotPerformable(`setup.memslots[${index}]: gpa, size and offset must be multiples of ${PAGE}`);
    }
    const misaligned = (offset - baseGfn) % unit !== 0;
    const basePfn = Math.ceil(next / unit) * unit + (offset % unit);
    next = basePfn + npages;
    return {
      id: memslot.id,
      baseGfn,
      npages,
      backing,
      basePfn,
      readonly: false,
      hvaMisaligned: misaligned,
      gone: later.has(memslot.id),
    };
  });
}

export function l1Mapping(mapping: Mapping): L1Mapping {
  return {
    l2Gfn: mapping.l2_gpa / PAGE,
    l1Gfn: mapping.l1_gpa / PAGE,
    level: mapping.level,
    count: mapping.count,
    l1Step: mapping.l1_step / PAGE,
    write: mapping.perm.includes('w'),
    exec: mapping.perm.includes('x'),
    accessed: mapping.accessed === 1,
    dirty: mapping.dirty === 1,
  };
}

/** Every pair of root and CR4 that L2 runs with, in the order of its first use. */
function rootsInUse({ setup, operations }: Recording): Array<readonly [root: Npt12Root, cr4: string]> {
  const used = new Map<string, readonly [Npt12Root, string]>();
  let cr4 = setup.l1_cr4;
  for (const operation of operations) {
    if (operation.type === 'set_l1_cr4') cr4 = operation.value;
    if (operation.type !== 'access' && operation.type !== 'background_start') continue;
    if (operation.mode !== 'l2') continue;
    const root = setup.npt12_roots.find(({ name }) => name === operation.root);
    if (root === undefined) {
      throw new NotPerformable(`operation ${operation.op}: there is no NPT12 root "${operation.root}"`);
    }
    const key = rootKey(root.name, cr4);
    if (!used.has(key)) used.set(key, [root, cr4]);
  }
  return [...used.values()];
}

/** @throws NotPerformable */
export function machineOf(recording: Recording): RecordedMachine {
  const { setup, operations } = recording;
  const used = rootsInUse(recording);
  if (used.length > MAX_ROOTS) {
    throw new NotPerformable(
      `L2 runs on ${used.length} different roots (name, CR4); the model's vCPU keeps ${MAX_ROOTS}`,
    );
  }
  const tableGfn = Math.min(...setup.npt12_roots.map((root) => root.table_gpa / PAGE), 0x100);
  const roots = used.map(([root, cr4]): L1Root => {
    const [, smep, smap] = rootKey(root.name, cr4).split('/');
    return {
      name: root.name,
      smep: smep === '1',
      smap: smap === '1',
      table: root.table_gpa / PAGE - tableGfn,
      mappings: [],
    };
  });
  const shape = { tableBits: 9, rootLevel: ROOT_LEVEL };
  const mapped = setup.npt12_roots.map((root) => ({
    name: root.name,
    smep: false,
    mappings: root.mappings.map(l1Mapping),
  }));
  const tablePages = tablesFor(mapped, shape.rootLevel);
  const config: MachineConfig = {
    ...NO_CAST,
    ...shape,
    format: 'npt',
    vcpus: setup.vcpus,
    l1Vcpus: setup.vcpus,
    tdpRootLevel: ROOT_LEVEL,
    shards: 1,
    slots: slotConfigs(setup, operations),
    roots,
    tableGfn,
    tablePages,
    nxHugePages: isOn(setup.module_params['nx_huge_pages']),
    eagerPageSplit: isOn(setup.module_params['eager_page_split']),
    tdpMmu: isOn(setup.module_params['tdp_mmu']),
    l1AdBits: true,
    manualProtect: 0,
    preempt: 'none',
    reschedRate: 0,
    allocFailRate: 0,
    nrMmuPages: 0,
    recycleThreshold: 1000,
    tlbBits: 6,
  };
  const limits = operations.map((each) => (each.type === 'set_nr_mmu_pages' ? each.value : 0));
  const most = Math.max(defaultMmuPages(config.slots), ...limits);
  const dims = arenaDims({ ...config, roots: mapped, nrMmuPages: most }, setup.vcpus + 1);
  return {
    config,
    dims,
    rootIndex: new Map(used.map(([root, cr4], index) => [rootKey(root.name, cr4), index])),
  };
}

/** Module parameters as the kernel's files show them; `force` is what nx_huge_pages=force reads as, or was written. */
export const isOn = (value: string | undefined): boolean =>
  value === 'Y' || value === 'force' || value === '1';

/** Tables that the mappings need, the top ones included. */
function tablesFor(roots: readonly L1Root[], rootLevel: number): number {
  let tables = 0;
  for (const root of roots) {
    const seen = new Set<number>();
    tables++;
    for (const mapping of root.mappings) {
      const pages = 2 ** ((mapping.level - 1) * 9);
      for (let k = 0; k < mapping.count; k++) {
        for (let level = mapping.level; level < rootLevel; level++) {
          seen.add(Math.floor((mapping.l2Gfn + k * pages) / 2 ** (9 * level)) * 8 + level);
        }
      }
    }
    tables += seen.size;
  }
  return tables;
}
