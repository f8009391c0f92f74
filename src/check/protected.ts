/**
 * Write protection of shadowed tables (kernel-facts 6.2 and 6.3, Q26, Q41): no SPTE that maps a table KVM shadows and
 * relies on may let L2 or L1 write it.
 *
 * Only L1's table pages can be shadowed, and they are rarely mapped: the rmap heads of their gfns are nearly all empty.
 */
import { KVM_MAX_HUGEPAGE_LEVEL } from '../mmu/config.ts';
import { isLarge, isMmuWritable, isShadowPresent, isWritable } from '../mmu/format.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { roleDirect, roleLevel, rolePassthrough } from '../mmu/role.ts';
import { hashBucket, isObsolete, SP, SP_UNSYNC } from '../mmu/shadow-page.ts';
import { headCursor } from './head-cursor.ts';
import { hex, spteText, sptepName } from './naming.ts';
import { hasReaders } from './quiescent.ts';
import { tdpWalk } from './tdp-walk.ts';
import type { ReportBroken, StateCheck } from './types.ts';

export const NOT_SHADOWED = 0;
/** Every page that shadows the gfn may be out of sync: it may be written, but not through a huge page. */
const UNSYNC_ONLY = 1;
export const SYNCED = 2;

/** What the pages with this gfn ask for. */
export function shadowedAs(kvm: Kvm, gfn: number): number {
  const { w } = kvm;
  const { tables } = kvm.layout.dims;
  let found = NOT_SHADOWED;
  let left = tables;
  for (let sp = w[hashBucket(kvm, gfn)]!; sp > 0 && sp <= tables && left > 0; left--) {
    const header = kvm.header(sp);
    const role = w[header + SP.role]!;
    // What is obsolete nobody uses: L1 may write its tables again, and KVM does not look.
    if (w[header + SP.gfn] === gfn && !roleDirect(role) && !rolePassthrough(role) && !isObsolete(kvm, sp)) {
      if ((w[header + SP.flags]! & SP_UNSYNC) === 0) return SYNCED;
      found = UNSYNC_ONLY;
    }
    sp = w[header + SP.hashNext]!;
  }
  return found;
}

/** One leaf of `level` over a gfn that is shadowed as `shadowed`. */
export function checkProtectedLeaf(
  kvm: Kvm,
  sptep: number,
  level: number,
  gfn: number,
  shadowed: number,
  broken: ReportBroken,
): void {
  const lo = kvm.w[sptep * 2]!;
  const hi = kvm.w[sptep * 2 + 1]!;
  if (!isShadowPresent(lo)) return;
  const huge = level > 1 && isWritable(lo);
  if (!huge && (shadowed !== SYNCED || (!isWritable(lo) && !isMmuWritable(kvm.format, lo, hi)))) return;
  const name = `${sptepName(kvm, sptep)} is ${spteText(lo, hi)} over gfn ${hex(gfn)}, which holds a shadowed table`;
  if (huge) broken('Q26', `${name}: writable at level ${level}`, [sptep * 2]);
  else broken('Q41', `${name}: ${isWritable(lo) ? 'writable' : 'MMU-writable'}`, [sptep * 2]);
}

/** Leaves of the TDP MMU over the gfns [start, end) of L1's tables, in every root that faults may use. */
function checkTdpLeaves(kvm: Kvm, start: number, end: number, broken: ReportBroken): void {
  if (hasReaders(kvm)) return;
  const walk = tdpWalk(kvm);
  if (walk === undefined) return;
  for (let p = 0; p < walk.count; p++) {
    const first = walk.firstEntry(p);
    const header = kvm.header(walk.pages[p]!);
    const level = roleLevel(kvm.w[header + SP.role]!);
    const base = kvm.w[header + SP.gfn]!;
    const pages = kvm.pages(level);
    if (first === 0 || !walk.isValid(p) || base >= end || base + kvm.entries * pages <= start) continue;
    for (let i = 0; i < kvm.entries; i++) {
      const lo = kvm.w[(first + i) * 2]!;
      if (!isShadowPresent(lo) || (level > 1 && !isLarge(lo))) continue;
      const from = Math.max(start, base + i * pages);
      for (let gfn = from; gfn < Math.min(end, base + (i + 1) * pages); gfn++) {
        const shadowed = shadowedAs(kvm, gfn);
        if (shadowed !== NOT_SHADOWED) checkProtectedLeaf(kvm, first + i, level, gfn, shadowed, broken);
      }
    }
  }
}

export const protectedCheck: StateCheck = {
  ids: ['Q26', 'Q41'],
  when: 'release',
  tdp: true,
  run(kvm, broken) {
    const { tableGfn, tablePages } = kvm.config;
    const slot = kvm.slotOf(tableGfn);
    if (slot === undefined || tablePages === 0) return;
    const end = Math.min(tableGfn + tablePages, slot.baseGfn + slot.npages);
    const cursor = headCursor(kvm);
    for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
      const pages = kvm.pages(level);
      for (let at = tableGfn; at < end; at = (at & ~(pages - 1)) + pages) {
        const head = slot.rmapWord(at, level);
        if (kvm.w[head] === 0) continue;
        for (let gfn = at; gfn < Math.min(end, (at & ~(pages - 1)) + pages); gfn++) {
          const shadowed = shadowedAs(kvm, gfn);
          if (shadowed === NOT_SHADOWED) continue;
          for (let sptep = cursor.first(head); sptep !== 0; sptep = cursor.next()) {
            checkProtectedLeaf(kvm, sptep, level, gfn, shadowed, broken);
          }
        }
      }
    }
    checkTdpLeaves(kvm, tableGfn, end, broken);
  },
};
