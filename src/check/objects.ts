/**
 * Objects and statistics (kernel-facts 6.2 and 6.4, Q36 and Q53): nothing is lost, nothing is in two places.
 *
 * Headers, tables, shadowed translations and descriptors that a pool has handed out are either in a live page, in a
 * list, or in a cache.
 */
import { POOL_WORDS } from '../arena/layout.ts';
import { POOL_DESCS, POOL_HEADERS, POOL_SHADOW_INFO, POOL_TABLES, type Pool } from '../arena/pool.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../mmu/config.ts';
import { SPTE_MMU_PRESENT, SPTE_PS } from '../mmu/format.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { roleInvalid, roleLevel } from '../mmu/role.ts';
import { SP, SP_ACTIVE } from '../mmu/shadow-page.ts';
import { VCPU } from '../mmu/vcpu-words.ts';
import { pageWalk, type PageWalk } from './page-walk.ts';
import type { ReportBroken, StateCheck } from './types.ts';

const SIZE_NAMES = ['', 'pages_4k', 'pages_2m', 'pages_1g'] as const;

/** Scratch of one run: present leaves per level. */
const leaves = new Int32Array(KVM_MAX_HUGEPAGE_LEVEL + 1);

/** Q36. */
function checkStatistics(walk: PageWalk, broken: ReportBroken): void {
  const { kvm, pages } = walk;
  const { w, entries } = kvm;
  leaves.fill(0);
  for (let p = 0; p < walk.count; p++) {
    const header = kvm.header(pages[p]!);
    const level = roleLevel(w[header + SP.role]!);
    if (level > KVM_MAX_HUGEPAGE_LEVEL) continue;
    const first = (kvm.tablesQ + (w[header + SP.table]! << kvm.tableBits)) * 2;
    const leaf = SPTE_MMU_PRESENT | (level > 1 ? SPTE_PS : 0);
    let count = 0;
    for (let word = first; word < first + entries * 2; word += 2) if ((w[word]! & leaf) === leaf) count++;
    leaves[level] = leaves[level]! + count;
  }
  for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
    const stat = kvm.get(KVM.pages + level - 1);
    if (stat === leaves[level]) continue;
    broken(
      'Q36',
      `${SIZE_NAMES[level]} is ${stat}, and ${leaves[level]} leaves of level ${level} are present`,
      [kvm.base + KVM.pages + level - 1],
    );
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

function balance(walk: PageWalk, kind: number, pool: Pool, inUse: number, cached: number): void {
  if (pool.live === inUse + cached) return;
  walk.report(
    'Q53',
    `${pool.live} ${pool.name} are handed out: ${inUse} can be reached and ${cached} are in caches`,
    [walk.kvm.layout.pools + kind * POOL_WORDS],
  );
}

/** Q53. */
function checkObjects(walk: PageWalk, kvm: Kvm): void {
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
  const invalid = countInvalidRoots(walk);
  balance(walk, POOL_HEADERS, kvm.headerPool, walk.listed + invalid, headers);
  balance(walk, POOL_TABLES, kvm.tablePool, walk.listed + invalid, tables);
  // Roots are indirect.
  balance(walk, POOL_SHADOW_INFO, kvm.shadowInfoPool, indirect + invalid, infos);
  balance(walk, POOL_DESCS, kvm.descPool, countDescs(walk), descs);
}

export const objectCheck: StateCheck = {
  ids: ['Q36', 'Q53'],
  when: 'end',
  run(kvm, broken) {
    const walk = pageWalk(kvm);
    walk.begin(broken);
    checkStatistics(walk, broken);
    checkObjects(walk, kvm);
  },
};
