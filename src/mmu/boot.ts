/** What exists before the first actor runs: L1's nested tables in guest memory, counters, the roots of the vCPUs. */
import { pagesPerHpage } from '../arena/layout.ts';
import type { Steps } from '../cpu/steps.ts';
import { topupVcpuCache } from './memory-cache.ts';
import { defaultMmuPages, type KvmConfig, type L1Mapping } from './config.ts';
import { ACC_ALL, SPTE_PS, SPTE_W, type SpteFormat } from './format.ts';
import { fillFrames } from './host/frames.ts';
import { KVM, type Kvm } from './kvm.ts';
import { loadL1Root } from './l1-root.ts';
import { resetPmlIndex } from './log/pml.ts';
import { MEMSLOT_GONE } from './memslot.ts';
import { makeRole } from './role.ts';
import { spPut, spRootCount, SP } from './shadow-page.ts';
import { getShadowPage } from './shadow/get-page.ts';
import { gpteQ, isPresentGpte, walkIndex } from './shadow/walk-addr.ts';
import { pfnHi, pfnLo } from './spte.ts';
import { setRoot } from './tlb.ts';
import { ROOT_L1, VCPU } from './vcpu-words.ts';
import type { Vcpu } from './vcpu.ts';

/** Of the tables that L1 begins with: name to page, counted from `tableGfn`. */
type GuestTables = ReadonlyMap<string, number>;
type TableShape = Pick<KvmConfig, 'roots' | 'tableBits' | 'rootLevel'>;

/** Name of the table of `level` on the way to `l2Gfn`; a root within another has that one's tables. */
function tableName({ roots, tableBits }: TableShape, root: number, level: number, l2Gfn: number): string {
  const span = (levels: number): number => 2 ** (levels * tableBits);
  const { within, level: top } = roots[root]!;
  if (within === undefined) return `${root}/${level}/${Math.floor(l2Gfn / span(level))}`;
  const start = Math.floor(within.l2Gfn / span(top!)) * span(top!);
  return `${within.root}/${level}/${Math.floor((start + l2Gfn) / span(level))}`;
}

/** The pages of L1's tables: the roots first, then tables in the order in which mappings first need them. */
function guestTables(config: TableShape): GuestTables {
  const tables = new Map<string, number>();
  config.roots.forEach((root, rootIndex) => {
    const top = root.level ?? config.rootLevel;
    for (const mapping of root.mappings) {
      const pages = pagesPerHpage(mapping.level, config.tableBits);
      for (let k = 0; k < mapping.count; k++) {
        const l2Gfn = mapping.l2Gfn + k * pages;
        for (let level = top - 1; level >= mapping.level; level--) {
          const name = tableName(config, rootIndex, level, l2Gfn);
          if (!tables.has(name)) tables.set(name, config.roots.length + tables.size);
        }
      }
    }
  });
  return tables;
}

/** Counts the pages L1's tables need. */
export const countGuestTables = (config: TableShape): number =>
  config.roots.length + guestTables(config).size;

/** Page of the top table of a root within another, counted from `tableGfn`; undefined if that one has none there. */
export function tableWithin(config: TableShape, root: number): number | undefined {
  return guestTables(config).get(tableName(config, root, config.roots[root]!.level!, 0));
}

function gpteLo(f: SpteFormat, mapping: L1Mapping): number {
  let lo = mapping.write ? SPTE_W : 0;
  if (f.name === 'ept') lo |= 1 | (mapping.exec ? 4 : 0) | (6 << 3);
  else lo |= 1 | f.userLo;
  if (mapping.level > 1) lo |= SPTE_PS;
  if (mapping.accessed) lo |= f.accessedLo;
  if (mapping.dirty) lo |= f.dirtyLo;
  return lo;
}

/** A table entry of L1: everything permitted, accessed already set. */
const tableGpteLo = (f: SpteFormat): number => 0x7 | f.accessedLo | (f.name === 'npt' ? f.dirtyLo : 0);

/**
 * Writes one mapping into L1's nested tables, from outside: no vCPU stores it. Tables that are missing are taken in the order
 * in which they are needed.
 * @param rootTable page of the top table, counted from `tableGfn`
 * @param takeTable the next free page, counted likewise
 * @param rootLevel level of the top table
 */
export function mapInGuestTables(
  kvm: Kvm,
  rootTable: number,
  mapping: L1Mapping,
  takeTable: () => number,
  rootLevel = kvm.config.rootLevel,
): void {
  const { config, w, format: f } = kvm;
  const put = (q: number, lo: number, hi: number): void => {
    kvm.arena.put(q * 2, lo);
    kvm.arena.put(q * 2 + 1, hi);
  };
  const pages = kvm.pages(mapping.level);
  const lo = gpteLo(f, mapping);
  const nxHi = f.name === 'npt' && !mapping.exec ? f.nxHi : 0;
  for (let k = 0; k < mapping.count; k++) {
    const l2Gfn = mapping.l2Gfn + k * pages;
    const l1Gfn = mapping.l1Gfn + k * mapping.l1Step;
    let tableGfn = config.tableGfn + rootTable;
    for (let level = rootLevel; level > mapping.level; level--) {
      const q = gpteQ(kvm, tableGfn, walkIndex(kvm, l2Gfn, level));
      if (!isPresentGpte(f, w[q * 2]!)) {
        const gfn = config.tableGfn + takeTable();
        put(q, tableGpteLo(f) | pfnLo(gfn), pfnHi(gfn));
      }
      tableGfn = (w[q * 2]! >>> 12) + (w[q * 2 + 1]! & 0xfffff) * 0x100000;
    }
    const leaf = gpteQ(kvm, tableGfn, walkIndex(kvm, l2Gfn, mapping.level));
    put(leaf, lo | pfnLo(l1Gfn), pfnHi(l1Gfn) | nxHi);
  }
}

/** Writes L1's nested tables. Tables are taken page by page in the order in which mappings first need them. */
export function buildGuestTables(kvm: Kvm): void {
  const { roots } = kvm.config;
  let nextTable = roots.length;
  roots.forEach((root, rootIndex) => {
    for (const mapping of root.mappings) {
      const take = (): number => nextTable++;
      mapInGuestTables(kvm, kvm.l1RootTable(rootIndex), mapping, take, kvm.l1RootLevel(rootIndex));
    }
  });
}

/** kvm_init_vm and the memslots: everything that is not zero at the start. */
export function bootVm(kvm: Kvm): void {
  const { config } = kvm;
  kvm.put(KVM.nMax, config.nrMmuPages > 0 ? config.nrMmuPages : defaultMmuPages(config.slots));
  kvm.put(KVM.manualProtect, config.manualProtect);
  for (let vcpu = 0; vcpu < config.vcpus && config.pmlEntries > 0; vcpu++) resetPmlIndex(kvm, vcpu);
  for (const slot of kvm.slots) {
    slot.initLpageInfo();
    if (slot.config.gone === true) kvm.arena.put(slot.flagsWord, MEMSLOT_GONE);
  }
  if (config.hostMap) fillFrames(kvm);
  buildGuestTables(kvm);
}

/** The role of an EPT02 root (kernel-facts 2.5). */
export function rootRole(kvm: Kvm, root: number): number {
  return makeRole({
    level: kvm.l1RootLevel(root),
    direct: false,
    access: ACC_ALL,
    efer_nx: kvm.format.name === 'npt',
    smep_andnot_wp: kvm.config.roots[root]!.smep,
    smap_andnot_wp: kvm.config.roots[root]!.smap === true,
    // What L1 says in its EPTP, and it can only say what the host has: `l1AdBits` implies `hostAdBits`.
    ad_disabled: kvm.format.name === 'ept' && !kvm.config.l1AdBits,
    guest_mode: kvm.config.roots[root]!.guestMode !== false,
  });
}

/** kvm_mmu_load(): the vCPU takes `root` into use, making its shadow page if nobody has. */
export function* loadRoot(vcpu: Vcpu, root: number): Steps<void> {
  const { kvm, cpu, caches } = vcpu;
  const word = vcpu.word(VCPU.roots + root);
  kvm.arena.put(vcpu.word(VCPU.root), root);
  if (kvm.w[word] !== 0) return;
  if (root === ROOT_L1) {
    yield* loadL1Root(vcpu);
    return;
  }
  const enough =
    topupVcpuCache(kvm, cpu, caches.header, kvm.headerPool, 5) &&
    topupVcpuCache(kvm, cpu, caches.table, kvm.tablePool, 5) &&
    topupVcpuCache(kvm, cpu, caches.shadowInfo, kvm.shadowInfoPool, 5);
  // -ENOMEM: KVM_RUN ends, and user space enters again.
  if (!enough) return;
  // mmu_first_shadow_root_alloc().
  if (kvm.get(KVM.shadowRootAllocated) === 0) kvm.put(KVM.shadowRootAllocated, 1);
  yield* kvm.writeLock(cpu);
  if ((yield* kvm.engine.makeMmuPagesAvailable(vcpu)) !== 0) {
    // -ENOSPC ends KVM_RUN, and user space enters again.
    yield* kvm.writeUnlock(cpu);
    return;
  }
  const sp = yield* getShadowPage(vcpu, kvm.config.tableGfn + kvm.l1RootTable(root), rootRole(kvm, root));
  spPut(kvm, sp, SP.rootCount, spRootCount(kvm, sp) + 1);
  setRoot(vcpu, root, sp);
  // flush_tlb_current(): whatever this vCPU cached of a root it had to let go of is over (5.6); INVEPT left it to this (A7).
  kvm.engine.flushOnRootLoad(vcpu, root);
  yield* kvm.writeUnlock(cpu);
  yield* kvm.engine.syncRoots(vcpu);
}
