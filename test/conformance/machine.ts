// The machine of a recording: its configuration, its operations as actors, and its state as a recording shows it.

import { gfnToIndex, type ArenaDims } from '../../src/arena/layout.ts';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import { mutexLock, mutexUnlock } from '../../src/locks/mutex.ts';
import { countGuestTables, loadRoot } from '../../src/mmu/boot.ts';
import {
  defaultMmuPages,
  type KvmConfig,
  type L1Root,
  type SlotConfig,
  NO_CAST,
} from '../../src/mmu/config.ts';
import { RET_PF_EMULATE, RET_PF_INJECT } from '../../src/mmu/errno.ts';
import { isLastSpte, isWritable } from '../../src/mmu/format.ts';
import { translate, WALK_FORBIDDEN } from '../../src/mmu/hardware.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import { cacheCount, splitCaches } from '../../src/mmu/memory-cache.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, type MemSlot } from '../../src/mmu/memslot.ts';
import { pteListEntries } from '../../src/mmu/pte-list.ts';
import { roleAccess, roleDirect, roleLevel } from '../../src/mmu/role.ts';
import { SP, spRole, sptepOf } from '../../src/mmu/shadow-page.ts';
import { pageFault } from '../../src/mmu/shadow/fault.ts';
import { ACCESS_WRITE } from '../../src/mmu/shadow/walk-addr.ts';
import { zapOldest } from '../../src/mmu/shadow/zap.ts';
import { enterGuest, exitGuest, type Vcpu } from '../../src/mmu/vcpu.ts';
import { arenaDims } from '../../src/scenario/build.ts';
import type { Memslot, Npt12Root, PerLevel, Recording, Snapshot } from '../fixtures/recording.ts';

const PAGE = 4096;
const TABLE_GPA = 0x10_0000;
const CR4_SMEP = 1n << 20n;
const BACKING = { '4k': 1, '2m': 2, thp: 2, '1g': 3 } as const;
const LEVELS = [1, 2, 3] as const;

/** A recording asks for something that the replay does not have. */
export class NotReplayable extends Error {
  override readonly name = 'NotReplayable';
}

/** Slots side by side in host memory, each congruent to its gfns modulo its huge page. */
function slotConfigs(memslots: readonly Memslot[]): SlotConfig[] {
  let next = 0;
  return memslots.map((memslot): SlotConfig => {
    const backing = BACKING[memslot.backing];
    const unit = 2 ** ((backing - 1) * 9);
    const baseGfn = memslot.gpa / PAGE;
    const npages = memslot.size / PAGE;
    const basePfn = Math.ceil(next / unit) * unit + (baseGfn % unit);
    next = basePfn + npages;
    return { id: memslot.id, baseGfn, npages, backing, basePfn, readonly: false, hvaMisaligned: false };
  });
}

/** The model places L1's roots first and then the other tables; only the gfns of L1's tables depend on that. */
function l1Root(root: Npt12Root, smep: boolean): L1Root {
  return {
    name: root.name,
    smep,
    mappings: root.mappings.map((mapping) => ({
      l2Gfn: mapping.l2_gpa / PAGE,
      l1Gfn: mapping.l1_gpa / PAGE,
      level: mapping.level,
      count: mapping.count,
      l1Step: mapping.l1_step / PAGE,
      write: mapping.perm.includes('w'),
      exec: mapping.perm.includes('x'),
      accessed: mapping.accessed === 1,
      dirty: mapping.dirty === 1,
    })),
  };
}

/** The VM as it is before the first operation: limits and logging are set by operations. */
export function configOf({ setup }: Recording): KvmConfig {
  const { module_params: module } = setup;
  const smep = (BigInt(setup.l1_cr4) & CR4_SMEP) !== 0n;
  const roots = setup.npt12_roots.map((root) => l1Root(root, smep));
  const shape = { roots, tableBits: 9, rootLevel: 4 };
  return {
    ...NO_CAST,
    ...shape,
    format: 'npt',
    vcpus: setup.vcpus,
    shards: 1,
    slots: slotConfigs(setup.memslots),
    tableGfn: TABLE_GPA / PAGE,
    tablePages: countGuestTables(shape),
    nxHugePages: module['nx_huge_pages'] === 'force',
    eagerPageSplit: module['eager_page_split'] === 'Y',
    tdpMmu: module['tdp_mmu'] === 'Y',
    l1AdBits: true,
    manualProtect: 0,
    preempt: 'none',
    reschedRate: 0,
    allocFailRate: 0,
    nrMmuPages: 0,
    recycleThreshold: 1000,
    tlbBits: 6,
  };
}

/** Room for the largest limit that the recording ever sets. */
export function dimsOf(recording: Recording, config: KvmConfig, actors: number): ArenaDims {
  const limits = recording.operations.map((op) => (op.type === 'set_nr_mmu_pages' ? op.value : 0));
  return arenaDims({ ...config, nrMmuPages: Math.max(defaultMmuPages(config.slots), ...limits) }, actors);
}

export function slotById(kvm: Kvm, id: number): MemSlot {
  const slot = kvm.slots.find(({ config }) => config.id === id);
  if (slot === undefined) throw new NotReplayable(`there is no slot ${id}`);
  return slot;
}

/** One access of L2 with its nested VM entry, exits and faults. */
export function* l2Access(vcpu: Vcpu, root: number, l2Gfn: number, access: number): Steps<void> {
  const { kvm, cpu } = vcpu;
  for (let attempt = 0; attempt < 16; attempt++) {
    yield* loadRoot(vcpu, root);
    if (!(yield* enterGuest(vcpu))) continue;
    const pfn = yield* translate(vcpu, l2Gfn, access);
    if (pfn >= 0) {
      const word = kvm.layout.memory + pfn;
      const op = access === ACCESS_WRITE ? Op.Add : Op.Load;
      if (cpu.stepped) yield cpu.at(op, word);
      if (op === Op.Add) cpu.add(word, 1);
      else cpu.load(word);
    }
    yield* exitGuest(vcpu);
    if (pfn >= 0) return;
    const result = yield* pageFault(vcpu, l2Gfn, access, pfn === WALK_FORBIDDEN);
    if (result === RET_PF_EMULATE) return;
    if (result === RET_PF_INJECT) throw new NotReplayable(`L1's tables forbid the access to L2 gfn ${l2Gfn}`);
  }
  throw new Error(`L2 gfn ${l2Gfn} still faults after 16 faults were handled`);
}

/** KVM_SET_NR_MMU_PAGES: kvm_mmu_change_mmu_pages (kernel-facts A23). */
export function* setNrMmuPages(kvm: Kvm, cpu: Cpu, value: number): Steps<void> {
  yield* mutexLock(cpu, kvm.slotsLock);
  yield* kvm.writeLock(cpu);
  const excess = kvm.get(KVM.nUsed) - value;
  if (excess > 0) yield* zapOldest(kvm, cpu, excess);
  kvm.put(KVM.nMax, excess > 0 ? kvm.get(KVM.nUsed) : value);
  yield* kvm.writeUnlock(cpu);
  yield* mutexUnlock(cpu, kvm.slotsLock);
}

export interface DirtyPages {
  /** First gfn and length. */
  readonly runs: ReadonlyArray<readonly [gfn: number, length: number]>;
  readonly total: number;
}

/** What GET_DIRTY_LOG has put into user space's bitmap. */
export function userBitmap(kvm: Kvm, slot: MemSlot): DirtyPages {
  const runs: Array<[number, number]> = [];
  let total = 0;
  for (let bit = 0; bit < slot.npages; bit++) {
    const word = kvm.w[slot.layout.userBitmap + (bit >>> 5)]!;
    if ((word & (1 << (bit & 31))) === 0) continue;
    total++;
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === slot.baseGfn + bit) last[1]++;
    else runs.push([slot.baseGfn + bit, 1]);
  }
  return { runs, total };
}

export function clearUserBitmap(kvm: Kvm, slot: MemSlot): void {
  for (let word = 0; word < slot.layout.bitmapWords; word++) kvm.arena.put(slot.layout.userBitmap + word, 0);
}

/** The model's structures in the form of a recorded snapshot. */
export function modelSnapshot(kvm: Kvm): Snapshot {
  const leaves = { '1': 0, '2': 0, '3': 0 };
  const writable = { '1': 0, '2': 0, '3': 0 };
  const pages: Record<string, number> = {};
  for (let sp = kvm.get(KVM.activeHead); sp !== 0; sp = kvm.w[kvm.header(sp) + SP.linkNext]!) {
    const role = spRole(kvm, sp);
    const level = roleLevel(role);
    const key = `${level}/${roleDirect(role) ? 1 : 0}/${roleAccess(role)}`;
    pages[key] = (pages[key] ?? 0) + 1;
    for (let index = 0; index < kvm.entries; index++) {
      const lo = kvm.w[sptepOf(kvm, sp, index) * 2]!;
      if (!isLastSpte(lo, level)) continue;
      const at = `${level}` as keyof PerLevel;
      leaves[at]++;
      if (isWritable(lo)) writable[at]++;
    }
  }
  const caches = splitCaches(kvm, 0);
  return {
    n_used_mmu_pages: kvm.get(KVM.nUsed),
    n_max_mmu_pages: kvm.get(KVM.nMax),
    indirect_shadow_pages: kvm.get(KVM.indirectShadowPages),
    split_caches: {
      split_desc: cacheCount(kvm, caches.desc),
      split_page_header: cacheCount(kvm, caches.header),
      split_shadow_page: cacheCount(kvm, caches.table),
    },
    leaves,
    writable_leaves: writable,
    shadow_pages: pages,
    slots: kvm.slots.map((slot) => ({
      id: slot.config.id,
      dirty_logging: (kvm.w[slot.flagsWord]! & KVM_MEM_LOG_DIRTY_PAGES) !== 0,
      rmap_entries: rmapEntries(kvm, slot),
    })),
  };
}

function rmapEntries(kvm: Kvm, slot: MemSlot): PerLevel {
  const [one, two, three] = LEVELS.map((level) => {
    const first = slot.layout.rmap[level];
    const heads = gfnToIndex(slot.baseGfn + slot.npages - 1, slot.baseGfn, level, kvm.tableBits) + 1;
    let entries = 0;
    for (let head = first; head < first + heads; head++) {
      const value = kvm.w[head]!;
      if (value !== 0) entries += (value & 1) === 0 ? 1 : pteListEntries(kvm, head).length;
    }
    return entries;
  });
  return { '1': one!, '2': two!, '3': three! };
}
