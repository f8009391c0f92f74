/**
 * Objects and statistics (kernel-facts 6.2 and 6.4, Q36 and Q53): nothing is lost, nothing is in two places.
 *
 * Headers, tables, shadowed translations and descriptors that a pool has handed out are either in a live page, in a
 * list, or in a cache.
 */
import { poolWords } from '../arena/layout.ts';
import { POOL_DESCS, POOL_HEADERS, POOL_SHADOW_INFO, POOL_TABLES, type Pool } from '../arena/pool.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../mmu/config.ts';
import { SPTE_MMU_PRESENT, SPTE_PS } from '../mmu/format.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { roleInvalid, roleLevel } from '../mmu/role.ts';
import { SP, SP_ACTIVE } from '../mmu/shadow-page.ts';
import { VCPU } from '../mmu/vcpu-words.ts';
import { pageWalk, type PageWalk } from './page-walk.ts';
import { tdpWalk, type TdpWalk } from './tdp-walk.ts';
import type { ReportBroken, StateCheck } from './types.ts';

const SIZE_NAMES = ['', 'pages_4k', 'pages_2m', 'pages_1g'] as const;

/** Scratch of one run: present leaves per level of the shadow MMU and of the TDP MMU. */
const leaves = new Int32Array(KVM_MAX_HUGEPAGE_LEVEL + 1);
const tdpLeaves = new Int32Array(KVM_MAX_HUGEPAGE_LEVEL + 1);

/** Counts the present leaves of a page. */
function countLeaves(kvm: Kvm, sp: number, counts: Int32Array): void {
  const { w } = kvm;
  const header = kvm.header(sp);
  const level = roleLevel(w[header + SP.role]!);
  if (level > KVM_MAX_HUGEPAGE_LEVEL) return;
  const first = (kvm.tablesQ + (w[header + SP.table]! << kvm.tableBits)) * 2;
  const leaf = SPTE_MMU_PRESENT | (level > 1 ? SPTE_PS : 0);
  let count = 0;
  for (let word = first; word < first + kvm.entries * 2; word += 2) if ((w[word]! & leaf) === leaf) count++;
  counts[level] = counts[level]! + count;
}

function compareStatistic(
  kvm: Kvm,
  field: number,
  level: number,
  present: number,
  whose: string,
  broken: ReportBroken,
): void {
  if (kvm.get(field) === present) return;
  broken(
    'Q36',
    `${SIZE_NAMES[level]}${whose} is ${kvm.get(field)}, and ${present} leaves of level ${level} are present`,
    [kvm.base + field],
  );
}

/** Q36. */
function checkStatistics(walk: PageWalk, tdp: TdpWalk | undefined, broken: ReportBroken): void {
  const { kvm, pages } = walk;
  leaves.fill(0);
  tdpLeaves.fill(0);
  for (let p = 0; p < walk.count; p++) countLeaves(kvm, pages[p]!, leaves);
  if (tdp !== undefined) {
    for (let p = 0; p < tdp.count; p++)
      if (tdp.firstEntry(p) !== 0) countLeaves(kvm, tdp.pages[p]!, tdpLeaves);
  }
  for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
    compareStatistic(kvm, KVM.pages + level - 1, level, leaves[level]! + tdpLeaves[level]!, '', broken);
    compareStatistic(kvm, KVM.tdpLeaves + level - 1, level, tdpLeaves[level]!, ' of the TDP MMU', broken);
  }
}

/** Descriptors in all lists: parents of live pages and rmaps. Only tagged heads have any. */
function countDescs(walk: PageWalk): number {
  const { kvm, pages } = walk;
  const { w } = kvm;
  for (let p = 0; p < walk.count; p++) {
    const head = kvm.header(pages[p]!) + SP.parentPtes;
    if ((w[head]! & 1) !== 0) readList(walk, head);
  }
  for (let i = 0; i < kvm.slots.length; i++) {
    const slot = kvm.slots[i]!;
    for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
      const end = slot.rmapWord(slot.baseGfn + slot.npages - 1, level);
      for (let head = slot.rmapWord(slot.baseGfn, level); head <= end; head++) {
        if ((w[head]! & 1) !== 0) readList(walk, head);
      }
    }
  }
  return walk.descs;
}

/** A descriptor in two lists is in two places. */
function readList(walk: PageWalk, head: number): void {
  walk.entriesOf(head);
  if (walk.listFault !== '' && walk.admit('Q53')) {
    walk.report('Q53', `the list of head word ${head}: ${walk.listFault}`, [head]);
  }
}

/** Invalid pages that a vCPU's root keeps alive: each counted once. */
function countInvalidRoots(walk: PageWalk): number {
  const { kvm } = walk;
  const { w } = kvm;
  let count = 0;
  for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
    const first = kvm.vcpuWord(vcpu) + VCPU.roots;
    for (let root = 0; root < kvm.config.roots.length; root++) {
      const sp = w[first + root]!;
      if (sp <= 0 || sp > kvm.layout.dims.tables || !roleInvalid(w[kvm.header(sp) + SP.role]!)) continue;
      if (!walk.isLive(sp) && walk.markSeen(sp)) count++;
    }
  }
  return count;
}

/** Pages that kvm_zap_obsolete_pages() has zapped and not freed yet. */
function countZapped(walk: PageWalk): { pages: number; indirect: number } {
  const { kvm } = walk;
  const found = { pages: 0, indirect: 0 };
  for (let sp = kvm.get(KVM.obsoleteHead); sp > 0 && sp <= kvm.layout.dims.tables;) {
    if (walk.isLive(sp) || !walk.markSeen(sp)) break;
    found.pages++;
    if (kvm.w[kvm.header(sp) + SP.shadowInfo] !== 0) found.indirect++;
    sp = kvm.w[kvm.header(sp) + SP.linkNext]!;
  }
  return found;
}

/** The number of objects in a cache; its objects must exist, and headers and tables in it must not be in use. */
function checkCache(
  walk: PageWalk,
  cache: number,
  capacity: number,
  pool: Pool,
  kind: 'header' | 'table' | 'other',
): number {
  const { kvm } = walk;
  const { w } = kvm;
  const count = w[cache]!;
  if (count < 0 || count > capacity) {
    walk.report('Q53', `a cache of ${pool.name} holds ${count} objects, at most ${capacity} fit`, [cache]);
    return 0;
  }
  const high = pool.highWater;
  for (let i = 1; i <= count; i++) {
    const object = w[cache + i]!;
    if (object <= 0 || object > high) {
      if (walk.admit('Q53')) {
        walk.report('Q53', `a cache of ${pool.name} holds object ${object}, which was never handed out`, [
          cache + i,
        ]);
      }
    } else if (
      (kind === 'header' && (w[kvm.header(object) + SP.flags]! & SP_ACTIVE) !== 0) ||
      (kind === 'table' && w[kvm.tableOwner + object] !== 0)
    ) {
      if (walk.admit('Q53')) {
        walk.report('Q53', `a cache of ${pool.name} holds object ${object}, which is in use`, [cache + i]);
      }
    }
  }
  return count;
}

function balance(walk: PageWalk, kind: number, pool: Pool, inUse: number, cached: number, inHand = 0): void {
  if (pool.live >= inUse + cached && pool.live <= inUse + cached + inHand) return;
  walk.report(
    'Q53',
    `${pool.live} ${pool.name} are handed out: ${inUse} can be reached and ${cached} are in caches`,
    [walk.kvm.layout.pools + kind * poolWords(walk.kvm.layout.dims.actors)],
  );
}

/** Pages of the TDP MMU: linked, or queued for their grace period. */
function countTdpPages(kvm: Kvm, tdp: TdpWalk | undefined): number {
  let count = tdp?.count ?? 0;
  let left = kvm.layout.dims.tables;
  for (let sp = kvm.get(KVM.rcuList); sp > 0 && sp <= kvm.layout.dims.tables && left > 0; left--) {
    count++;
    sp = kvm.w[kvm.header(sp) + SP.hashNext]!;
  }
  return count;
}

/** Q53. */
function checkObjects(walk: PageWalk, kvm: Kvm, tdp: TdpWalk | undefined): void {
  const { layout } = kvm;
  const { objects, splitDesc } = layout.dims.caches;
  const step = 1 + objects;
  let descs = 0;
  let headers = 0;
  let tables = 0;
  let infos = 0;
  for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
    // The order of vcpuCaches() and splitCaches() in src/mmu/memory-cache.ts.
    const cache = layout.vcpuCaches + vcpu * layout.vcpuCacheWords;
    descs += checkCache(walk, cache, objects, kvm.descPool, 'other');
    headers += checkCache(walk, cache + step, objects, kvm.headerPool, 'header');
    tables += checkCache(walk, cache + 2 * step, objects, kvm.tablePool, 'table');
    infos += checkCache(walk, cache + 3 * step, objects, kvm.shadowInfoPool, 'other');
  }
  for (let shard = 0; shard < layout.dims.shards; shard++) {
    const cache = layout.splitCaches + shard * layout.splitCacheWords;
    descs += checkCache(walk, cache, splitDesc, kvm.descPool, 'other');
    headers += checkCache(walk, cache + 1 + splitDesc, objects, kvm.headerPool, 'header');
    tables += checkCache(walk, cache + 1 + splitDesc + step, objects, kvm.tablePool, 'table');
  }
  let indirect = 0;
  for (let p = 0; p < walk.count; p++)
    if (kvm.w[kvm.header(walk.pages[p]!) + SP.shadowInfo] !== 0) indirect++;
  const zapped = countZapped(walk);
  const invalid = countInvalidRoots(walk) + zapped.pages;
  const indirectInvalid = invalid - zapped.pages + zapped.indirect;
  // Roots are indirect.
  balance(walk, POOL_SHADOW_INFO, kvm.shadowInfoPool, indirect + indirectInvalid, infos);
  balance(walk, POOL_DESCS, kvm.descPool, countDescs(walk), descs);
  // Whoever frees what RCU kept holds this lock, and needs no mmu_lock.
  if (kvm.get(KVM.tdpPagesLock) !== 0) return;
  const pages = walk.listed + invalid + countTdpPages(kvm, tdp);
  // A split of the TDP MMU keeps a page in hand over a drop of the lock; it runs under slots_lock.
  const inHand = kvm.config.l1Vcpus > 0 && kvm.w[kvm.slotsLock.state] !== 0 ? 1 : 0;
  balance(walk, POOL_HEADERS, kvm.headerPool, pages, headers, inHand);
  balance(walk, POOL_TABLES, kvm.tablePool, pages, tables, inHand);
}

export const objectCheck: StateCheck = {
  ids: ['Q36', 'Q53'],
  when: 'end',
  run(kvm, broken) {
    const walk = pageWalk(kvm);
    walk.begin(broken);
    const tdp = tdpWalk(kvm);
    checkStatistics(walk, tdp, broken);
    checkObjects(walk, kvm, tdp);
  },
};
