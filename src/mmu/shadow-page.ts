/** Shadow-page headers, the hash of shadow pages and the active list (kernel-facts 1.2, 2.2, 3.8). */
import { HEADER_WORDS } from '../arena/layout.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { KernelBug } from './bug.ts';
import type { Kvm } from './kvm.ts';
import { KVM } from './kvm.ts';
import { ROLE_INVALID, roleInvalid, rolePassthrough, roleAccess, roleDirect, roleLevel } from './role.ts';

/** Offsets in a header. */
export const SP = {
  gfn: 0,
  role: 1,
  /** SP_ bits. */
  flags: 2,
  rootCount: 3,
  validGen: 4,
  parentPtes: 5,
  hashNext: 6,
  linkPrev: 7,
  linkNext: 8,
  table: 9,
  /** Index of the shadowed translation, 0 if the page has none (direct). */
  shadowInfo: 10,
  floodCount: 11,
  /** Neighbours in the list of pages marked nx-disallowed (src/mmu/nx.ts). */
  nxPrev: 12,
  nxNext: 13,
  /** Bits set in unsync_child_bitmap: children that are unsync or lead to one (indirect pages only). */
  unsyncChildren: 14,
} as const;

export const SP_UNSYNC = 1;
export const SP_NX_DISALLOWED = 2;
export const SP_ACTIVE = 4;
/** is_tdp_mmu_page(): not in the hash, not on the active list, not in n_used; parentPtes is its parent's sptep (Q38). */
export const SP_TDP = 8;
/** A root of the TDP MMU that was invalidated and holds the reference of whoever will zap it: it is on the work queue. */
export const SP_TDP_ZAP = 16;

export const spGfn = (kvm: Kvm, sp: number): number => kvm.w[kvm.header(sp) + SP.gfn]!;
export const spRole = (kvm: Kvm, sp: number): number => kvm.w[kvm.header(sp) + SP.role]!;
/** The role but for `invalid`: what never changes while the page exists, and may be read without a lock. */
export const spLastingRole = (kvm: Kvm, sp: number): number =>
  kvm.arena.bits(kvm.header(sp) + SP.role, ~ROLE_INVALID);
export const spTable = (kvm: Kvm, sp: number): number => kvm.w[kvm.header(sp) + SP.table]!;
export const spFlags = (kvm: Kvm, sp: number): number => kvm.w[kvm.header(sp) + SP.flags]!;
export const spRootCount = (kvm: Kvm, sp: number): number => kvm.w[kvm.header(sp) + SP.rootCount]!;
export const parentPtesWord = (kvm: Kvm, sp: number): number => kvm.header(sp) + SP.parentPtes;

export function spPut(kvm: Kvm, sp: number, field: number, value: number): void {
  kvm.arena.put(kvm.header(sp) + field, value);
}

/** The sptep of entry `index` of a shadow page. */
export function sptepOf(kvm: Kvm, sp: number, index: number): number {
  return kvm.tablesQ + (spTable(kvm, sp) << kvm.tableBits) + index;
}

/** sptep_to_sp(): the header of the table that holds the entry; 0 if the table is free. */
export function sptepToSp(kvm: Kvm, sptep: number): number {
  return kvm.w[kvm.tableOwner + ((sptep - kvm.tablesQ) >> kvm.tableBits)]!;
}

export function spteIndex(kvm: Kvm, sptep: number): number {
  return (sptep - kvm.tablesQ) & (kvm.entries - 1);
}

/** kvm_mmu_page_get_gfn(): the gfn that entry `index` maps (kernel-facts 3.8 step 1). */
export function pageGetGfn(kvm: Kvm, sp: number, index: number): number {
  const role = spRole(kvm, sp);
  if (rolePassthrough(role)) return spGfn(kvm, sp);
  const info = kvm.w[kvm.header(sp) + SP.shadowInfo]!;
  if (info !== 0) return kvm.w[kvm.shadowInfo + (info << kvm.tableBits) + index]! >>> 3;
  return spGfn(kvm, sp) + index * kvm.pages(roleLevel(role));
}

/** kvm_mmu_page_get_access(). */
export function pageGetAccess(kvm: Kvm, sp: number, index: number): number {
  const info = kvm.w[kvm.header(sp) + SP.shadowInfo]!;
  if (info !== 0) return kvm.w[kvm.shadowInfo + (info << kvm.tableBits) + index]! & 7;
  return roleAccess(spRole(kvm, sp));
}

/** kvm_mmu_page_set_translation(): indirect pages remember gfn and access; direct ones derive them. */
export function pageSetTranslation(kvm: Kvm, sp: number, index: number, gfn: number, access: number): void {
  const info = kvm.w[kvm.header(sp) + SP.shadowInfo]!;
  if (info !== 0) kvm.arena.put(kvm.shadowInfo + (info << kvm.tableBits) + index, (gfn << 3) | access);
}

export const pageSetAccess = (kvm: Kvm, sp: number, index: number, access: number): void =>
  pageSetTranslation(kvm, sp, index, pageGetGfn(kvm, sp, index), access);

/** GOLDEN_RATIO_64 in two halves, the lower one halved again. */
const GOLDEN_HI = 0x61c88646;
const GOLDEN_MID = 0x80b5;
const GOLDEN_LO = 0x83eb;

/** kvm_page_table_hashfn(): hash_64(gfn) to the layout's bits: the top bits of the lower 64 of gfn * GOLDEN_RATIO_64. */
export function hashBucket(kvm: Kvm, gfn: number): number {
  const high = gfn >>> 16;
  const low = gfn & 0xffff;
  const middle = high * GOLDEN_LO + Math.floor((low * GOLDEN_LO) / 0x10000);
  const carried = low * GOLDEN_MID + (middle % 0x10000);
  const upper = high * GOLDEN_MID + Math.floor(middle / 0x10000) + Math.floor(carried / 0x10000);
  const top = (upper + Math.imul(gfn, GOLDEN_HI)) >>> 0;
  return kvm.layout.hash + (top >>> (32 - kvm.layout.dims.hashBits));
}

/** True for pages of an older generation or already zapped (kernel-facts 1.2). */
export function isObsolete(kvm: Kvm, sp: number): boolean {
  const header = kvm.header(sp);
  if (roleInvalid(kvm.w[header + SP.role]!)) return true;
  // Pages of the TDP MMU have no generation.
  return (kvm.w[header + SP.flags]! & SP_TDP) === 0 && kvm.w[header + SP.validGen]! !== kvm.get(KVM.validGen);
}

/** The valid page with this identity, or 0; `visit` sees the others with the same gfn. */
export function findShadowPage(kvm: Kvm, gfn: number, role: number, visit?: (sp: number) => void): number {
  const { w } = kvm;
  let collisions = 0;
  let found = 0;
  for (let sp = w[hashBucket(kvm, gfn)]!; sp !== 0;) {
    const header = kvm.header(sp);
    const next = w[header + SP.hashNext]!;
    if (!isObsolete(kvm, sp)) {
      if (w[header + SP.gfn] !== gfn) collisions++;
      else if (w[header + SP.role] === role) {
        found = sp;
        break;
      } else visit?.(sp);
    }
    sp = next;
  }
  if (collisions > kvm.get(KVM.maxHashCollisions)) kvm.put(KVM.maxHashCollisions, collisions);
  return found;
}

/**
 * kvm_mmu_alloc_shadow_page(): turns a header and a table into a live page: in the hash, at the head of the active
 * list, counted. `shadowInfo` is 0 for direct pages.
 */
export function initShadowPage(
  kvm: Kvm,
  cpu: Cpu,
  sp: number,
  table: number,
  shadowInfo: number,
  gfn: number,
  role: number,
): void {
  kvm.assertMmuWrite(cpu, 'the hash of shadow pages');
  const { arena, w } = kvm;
  const header = kvm.header(sp);
  arena.put(kvm.tableOwner + table, sp);
  const bucket = hashBucket(kvm, gfn);
  const head = kvm.get(KVM.activeHead);
  arena.touchRange(header, HEADER_WORDS);
  w[header + SP.gfn] = gfn;
  w[header + SP.role] = role;
  w[header + SP.flags] = SP_ACTIVE;
  w[header + SP.rootCount] = 0;
  w[header + SP.validGen] = kvm.get(KVM.validGen);
  w[header + SP.parentPtes] = 0;
  w[header + SP.hashNext] = w[bucket]!;
  w[header + SP.linkPrev] = 0;
  w[header + SP.linkNext] = head;
  w[header + SP.table] = table;
  w[header + SP.shadowInfo] = shadowInfo;
  w[header + SP.floodCount] = 0;
  w[header + SP.unsyncChildren] = 0;
  if (shadowInfo !== 0) {
    const bitmap = kvm.layout.unsyncBitmaps + shadowInfo * kvm.layout.unsyncWords;
    arena.touchRange(bitmap, kvm.layout.unsyncWords);
    w.fill(0, bitmap, bitmap + kvm.layout.unsyncWords);
  }
  arena.put(bucket, sp);
  if (head !== 0) spPut(kvm, head, SP.linkPrev, sp);
  else kvm.put(KVM.activeTail, sp);
  kvm.put(KVM.activeHead, sp);
  kvm.put(KVM.nUsed, kvm.get(KVM.nUsed) + 1);
}

/** Takes a page off the active list. */
export function unlinkActive(kvm: Kvm, sp: number): void {
  const { w } = kvm;
  const header = kvm.header(sp);
  const prev = w[header + SP.linkPrev]!;
  const next = w[header + SP.linkNext]!;
  if (prev !== 0) spPut(kvm, prev, SP.linkNext, next);
  else kvm.put(KVM.activeHead, next);
  if (next !== 0) spPut(kvm, next, SP.linkPrev, prev);
  else kvm.put(KVM.activeTail, prev);
  spPut(kvm, sp, SP.linkPrev, 0);
  spPut(kvm, sp, SP.linkNext, 0);
  spPut(kvm, sp, SP.flags, w[header + SP.flags]! & ~SP_ACTIVE);
}

/** Takes a page out of its hash bucket. */
export function unhash(kvm: Kvm, sp: number): void {
  const { w } = kvm;
  let at = hashBucket(kvm, spGfn(kvm, sp));
  while (w[at] !== sp) {
    if (w[at] === 0)
      throw new KernelBug('Q2', `shadow page ${sp} is not in its hash bucket`, [kvm.header(sp)]);
    at = kvm.header(w[at]!) + SP.hashNext;
  }
  kvm.arena.put(at, w[kvm.header(sp) + SP.hashNext]!);
}

/** kvm_mmu_free_shadow_page(): back to the pools. */
export function freeShadowPage(kvm: Kvm, sp: number): void {
  const header = kvm.header(sp);
  const table = kvm.w[header + SP.table]!;
  const info = kvm.w[header + SP.shadowInfo]!;
  unhash(kvm, sp);
  kvm.arena.put(kvm.tableOwner + table, 0);
  kvm.tablePool.free(table);
  if (info !== 0) kvm.shadowInfoPool.free(info);
  kvm.headerPool.free(sp);
}

/** for_each_gfn_valid_sp_with_gptes(): from `sp` on in its hash chain, the next valid page that shadows a table at `gfn`, or 0. */
export function nextSpWithGptes(kvm: Kvm, sp: number, gfn: number): number {
  const { w } = kvm;
  for (let at = sp; at !== 0; at = w[kvm.header(at) + SP.hashNext]!) {
    const role = w[kvm.header(at) + SP.role]!;
    if (w[kvm.header(at) + SP.gfn] !== gfn || roleDirect(role) || rolePassthrough(role)) continue;
    if (!isObsolete(kvm, at)) return at;
  }
  return 0;
}

/** The valid pages that shadow a table at `gfn`, in the order of their hash chain. */
export function spsWithGptes(kvm: Kvm, gfn: number): number[] {
  const pages: number[] = [];
  const next = (sp: number): number => nextSpWithGptes(kvm, sp, gfn);
  for (let sp = next(kvm.w[hashBucket(kvm, gfn)]!); sp !== 0;) {
    pages.push(sp);
    sp = next(kvm.w[kvm.header(sp) + SP.hashNext]!);
  }
  return pages;
}

/** True if `gfn` is one of the pages that may hold one of L1's tables: no other page is ever shadowed. */
export function mayHoldTable(kvm: Kvm, gfn: number): boolean {
  const { tableGfn, tablePages } = kvm.config;
  return gfn >= tableGfn && gfn < tableGfn + tablePages;
}

/** Active pages that shadow tables at gfns [start, end), in the order of the active list. */
export function pagesWithTablesIn(kvm: Kvm, start: number, end: number): number[] {
  const pages: number[] = [];
  for (let sp = kvm.get(KVM.activeHead); sp !== 0; sp = kvm.w[kvm.header(sp) + SP.linkNext]!) {
    const gfn = spGfn(kvm, sp);
    if (!roleDirect(spRole(kvm, sp)) && gfn >= start && gfn < end) pages.push(sp);
  }
  return pages;
}
