/** A snapshot: the model's structures as a recording dumps KVM's. */
import { gfnToIndex } from '../arena/layout.ts';
import { isLarge, isShadowPresent, sptePfn } from '../mmu/format.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { cacheCount, splitCaches } from '../mmu/memory-cache.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, type MemSlot } from '../mmu/memslot.ts';
import { DESC_COUNT, DESC_MORE, descCount, descWord } from '../mmu/pte-desc.ts';
import { pteListEntries } from '../mmu/pte-list.ts';
import { roleDirect, roleLevel } from '../mmu/role.ts';
import {
  pageGetAccess,
  pageGetGfn,
  parentPtesWord,
  SP,
  SP_NX_DISALLOWED,
  SP_UNSYNC,
  spFlags,
  spGfn,
  spRole,
  spRootCount,
  spTable,
  sptepOf,
} from '../mmu/shadow-page.ts';
import { spteChildSp } from '../mmu/spte.ts';
import { tdpParentSptep } from '../mmu/tdp/pages.ts';
import { tdpRoots } from '../mmu/tdp/roots.ts';
import type { PageNames } from './page-names.ts';
import { roleFields } from './role-fields.ts';
import { hex64 } from './spte-hex.ts';
import type { Entry, Rmap, ShadowPage, Slot, Snapshot } from './snapshots.ts';

/** What user space knows and the model's VM does not keep. */
export interface DumpContext {
  /** n_requested_mmu_pages: the last KVM_SET_NR_MMU_PAGES, 0 for none. */
  readonly requested: number;
  /** The split caches were filled at least once: they have no capacity before. */
  readonly toppedUp: boolean;
}

export function dump(kvm: Kvm, names: PageNames, context: DumpContext): Snapshot {
  const shadow = activePages(kvm);
  const roots = tdpRoots(kvm);
  const below = roots.flatMap((root) => tdpPagesBelow(kvm, root));
  // Names in the order of creation, as far as the tables tell.
  for (const sp of [...shadow, ...roots, ...below]) names.ofPage(sp);
  const caches = splitCaches(kvm, 0);
  const capacity = (nobjs: number, full: number): { nobjs: number; capacity: number } => ({
    nobjs,
    capacity: context.toppedUp ? full : 0,
  });
  return {
    n_used_mmu_pages: kvm.get(KVM.nUsed),
    n_requested_mmu_pages: context.requested,
    n_max_mmu_pages: kvm.get(KVM.nMax),
    indirect_shadow_pages: kvm.get(KVM.indirectShadowPages),
    split_caches: {
      split_desc: capacity(cacheCount(kvm, caches.desc), kvm.layout.dims.caches.splitDesc),
      split_page_header: capacity(cacheCount(kvm, caches.header), kvm.layout.dims.caches.objects),
      split_shadow_page: capacity(cacheCount(kvm, caches.table), kvm.layout.dims.caches.objects),
    },
    shadow_root_allocated: kvm.get(KVM.shadowRootAllocated) !== 0,
    shadow_pages: [
      ...shadow.map((sp) => dumpPage(kvm, names, sp, 'shadow')),
      ...roots.map((sp) => dumpPage(kvm, names, sp, 'tdp-root')),
      ...below.map((sp) => dumpPage(kvm, names, sp, 'tdp')),
    ],
    slots: kvm.slots.filter((slot) => !slot.gone).map((slot) => dumpSlot(kvm, names, slot)),
  };
}

/** Newest first. */
function activePages(kvm: Kvm): number[] {
  const pages: number[] = [];
  for (let sp = kvm.get(KVM.activeHead); sp !== 0; sp = kvm.w[kvm.header(sp) + SP.linkNext]!) pages.push(sp);
  return pages;
}

/** The pages of a tree of the TDP MMU without its root; children before their parents, as later pages come first. */
function tdpPagesBelow(kvm: Kvm, sp: number): number[] {
  const level = roleLevel(spRole(kvm, sp));
  const pages: number[] = [];
  if (level === 1) return pages;
  for (let index = kvm.entries - 1; index >= 0; index--) {
    const q = sptepOf(kvm, sp, index) * 2;
    const lo = kvm.w[q]!;
    if (!isShadowPresent(lo) || isLarge(lo)) continue;
    const child = spteChildSp(kvm, lo, kvm.w[q + 1]!);
    pages.push(...tdpPagesBelow(kvm, child), child);
  }
  return pages;
}

function dumpPage(kvm: Kvm, names: PageNames, sp: number, mmu: ShadowPage['mmu']): ShadowPage {
  const flags = spFlags(kvm, sp);
  const head = parentPtesWord(kvm, sp);
  const page: ShadowPage = {
    id: names.ofPage(sp),
    mmu,
    gfn: spGfn(kvm, sp),
    role: roleFields(spRole(kvm, sp)),
    root_count: spRootCount(kvm, sp),
    unsync: (flags & SP_UNSYNC) === 0 ? 0 : 1,
    nx_huge_page_disallowed: (flags & SP_NX_DISALLOWED) === 0 ? 0 : 1,
    entries: dumpEntries(kvm, names, sp),
  };
  if (mmu === 'tdp-root') return page;
  if (mmu === 'tdp') return { ...page, parents: [names.at(tdpParentSptep(kvm, sp))] };
  const descs = descSizes(kvm, head);
  return {
    ...page,
    parents: pteListEntries(kvm, head).map((sptep) => names.at(sptep)),
    ...(descs.length === 0 ? {} : { parent_descs: descs }),
  };
}

/** Lengths of the chained descriptors of a head; none for a single entry in the head itself. */
function descSizes(kvm: Kvm, head: number): number[] {
  const value = kvm.w[head]!;
  const sizes: number[] = [];
  if ((value & 1) === 0) return sizes;
  for (let desc = value >>> 1; desc !== 0; desc = kvm.w[descWord(kvm, desc) + DESC_MORE]!) {
    sizes.push(descCount(kvm.w[descWord(kvm, desc) + DESC_COUNT]!));
  }
  return sizes;
}

function dumpEntries(kvm: Kvm, names: PageNames, sp: number): Entry[] {
  const role = spRole(kvm, sp);
  const level = roleLevel(role);
  const remembers = !roleDirect(role);
  const step = kvm.pages(level);
  const first = (kvm.tablesQ + (spTable(kvm, sp) << kvm.tableBits)) * 2;
  const entries: Entry[] = [];
  let run: { entry: Entry; lo: number; hi: number; gfn: number; access: number } | undefined;
  for (let i = 0; i < kvm.entries; i++) {
    const lo = kvm.w[first + 2 * i]!;
    const hi = kvm.w[first + 2 * i + 1]!;
    if (lo === 0 && hi === 0) continue;
    const spte = hex64(lo, hi);
    if (!isShadowPresent(lo)) {
      entries.push({ i, t: 'nonpresent', spte });
      run = undefined;
      continue;
    }
    if (level > 1 && !isLarge(lo)) {
      entries.push({ i, t: 'table', spte, child: names.ofPage(spteChildSp(kvm, lo, hi)) });
      run = undefined;
      continue;
    }
    const gfn = remembers ? pageGetGfn(kvm, sp, i) : 0;
    const access = remembers ? pageGetAccess(kvm, sp, i) : 0;
    if (run !== undefined) {
      const k = run.entry.n ?? 1;
      const goesOn =
        run.entry.i + k === i &&
        (run.lo & 0xfff) === (lo & 0xfff) &&
        run.hi >>> 20 === hi >>> 20 &&
        sptePfn(lo, hi) === sptePfn(run.lo, run.hi) + k * step &&
        (!remembers || (gfn === run.gfn + k * step && access === run.access));
      if (goesOn) {
        run.entry.n = k + 1;
        run.entry.step = (step * 4096).toString(16);
        continue;
      }
    }
    const entry: Entry = { i, t: 'leaf', spte, ...(remembers ? { gfn, access } : {}) };
    entries.push(entry);
    run = { entry, lo, hi, gfn, access };
  }
  return entries;
}

function dumpSlot(kvm: Kvm, names: PageNames, slot: MemSlot): Slot {
  return {
    id: slot.config.id,
    base_gfn: slot.baseGfn,
    npages: slot.npages,
    dirty_logging: (kvm.w[slot.flagsWord]! & KVM_MEM_LOG_DIRTY_PAGES) !== 0,
    rmaps: {
      '1': rmaps(kvm, names, slot, 1),
      '2': rmaps(kvm, names, slot, 2),
      '3': rmaps(kvm, names, slot, 3),
    },
    disallow_lpage: { '2': disallowed(kvm, slot, 2), '3': disallowed(kvm, slot, 3) },
  };
}

/** gfn of entry `index` of one of the slot's arrays by level: the level's page that holds it, or the start of the slot. */
function gfnOfIndex(kvm: Kvm, slot: MemSlot, level: number, index: number): number {
  const pages = kvm.pages(level);
  return (Math.floor(slot.baseGfn / pages) + index) * pages;
}

const headsOf = (kvm: Kvm, slot: MemSlot, level: number): number =>
  gfnToIndex(slot.baseGfn + slot.npages - 1, slot.baseGfn, level, kvm.tableBits) + 1;

function rmaps(kvm: Kvm, names: PageNames, slot: MemSlot, level: 1 | 2 | 3): Rmap[] {
  const first = slot.layout.rmap[level];
  const heads = headsOf(kvm, slot, level);
  const found: Rmap[] = [];
  let last: { rmap: Rmap; index: number } | undefined;
  for (let index = 0; index < heads; index++) {
    const head = first + index;
    if (kvm.w[head] === 0) continue;
    const list = pteListEntries(kvm, head).map((sptep) => names.at(sptep));
    const descs = descSizes(kvm, head);
    if (last !== undefined && last.index + last.rmap.n === index) {
      const { n } = last.rmap;
      const start = last.rmap;
      const same =
        start.list.length === list.length &&
        start.descs.length === descs.length &&
        start.descs.every((size, k) => size === descs[k]) &&
        start.list.every(([page, at], k) => page === list[k]![0] && at + n === list[k]![1]);
      if (same) {
        start.n++;
        continue;
      }
    }
    const rmap: Rmap = { gfn: gfnOfIndex(kvm, slot, level, index), n: 1, descs, list };
    found.push(rmap);
    last = { rmap, index };
  }
  return found;
}

function disallowed(kvm: Kvm, slot: MemSlot, level: 2 | 3): Array<[number, number]> {
  const first = slot.layout.lpageInfo[level];
  const found: Array<[number, number]> = [];
  for (let index = 0; index < headsOf(kvm, slot, level); index++) {
    const count = kvm.w[first + index]!;
    if (count !== 0) found.push([gfnOfIndex(kvm, slot, level, index), count]);
  }
  return found;
}
