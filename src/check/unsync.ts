/**
 * Unsync pages and the marks that lead to them (kernel-facts 1.2, Q17, Q18), and the list of pages that stand in for a
 * huge page forbidden by the NX mitigation (1.6, Q33).
 */
import { isLarge, isShadowPresent, sptePfn } from '../mmu/format.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { roleDirect, roleLevel } from '../mmu/role.ts';
import { nxDisallowedPages } from '../mmu/nx-list.ts';
import { SP, SP_NX_DISALLOWED, SP_UNSYNC } from '../mmu/shadow-page.ts';
import { entryName, pageName } from './naming.ts';
import { pageWalk, type PageWalk } from './page-walk.ts';
import { hasReaders } from './quiescent.ts';
import { tdpWalk, type TdpWalk } from './tdp-walk.ts';
import type { ReportBroken, StateCheck } from './types.ts';

const popcount = (value: number): number => {
  let bits = 0;
  for (let v = value; v !== 0; v &= v - 1) bits++;
  return bits;
};

/** True if the page is unsync or leads to one that is. */
function isOrHasUnsync(kvm: Kvm, sp: number): boolean {
  const header = kvm.header(sp);
  return (kvm.w[header + SP.flags]! & SP_UNSYNC) !== 0 || kvm.w[header + SP.unsyncChildren] !== 0;
}

function checkUnsyncPage(walk: PageWalk, sp: number): void {
  const { kvm } = walk;
  const header = kvm.header(sp);
  const role = kvm.w[header + SP.role]!;
  if ((kvm.w[header + SP.flags]! & SP_UNSYNC) === 0) return;
  if (roleLevel(role) > 1) {
    if (walk.admit('Q18')) walk.report('Q18', `${pageName(kvm, sp)} is unsync`, [header + SP.flags]);
  } else if (roleDirect(role) && walk.admit('Q17')) {
    walk.report('Q17', `${pageName(kvm, sp)} shadows nothing and is unsync`, [header + SP.flags]);
  }
}

/** The bitmap of one indirect page above level 1. Bits may be stale: a walk clears them when it finds nothing below. */
function checkMarks(walk: PageWalk, sp: number): void {
  const { kvm } = walk;
  const { w } = kvm;
  const header = kvm.header(sp);
  const bitmap = kvm.layout.unsyncBitmaps + w[header + SP.shadowInfo]! * kvm.layout.unsyncWords;
  let marked = 0;
  for (let word = 0; word < kvm.layout.unsyncWords; word++) marked += popcount(w[bitmap + word]!);
  if (w[header + SP.unsyncChildren] !== marked && walk.admit('Q17')) {
    walk.report(
      'Q17',
      `${pageName(kvm, sp)} has unsync_children ${w[header + SP.unsyncChildren]}, and its bitmap ${marked} bits`,
      [header + SP.unsyncChildren, bitmap],
    );
  }
  const first = (kvm.tablesQ + (w[header + SP.table]! << kvm.tableBits)) * 2;
  for (let i = 0; i < kvm.entries; i++) {
    const lo = w[first + i * 2]!;
    if (!isShadowPresent(lo) || isLarge(lo) || (w[bitmap + (i >>> 5)]! & (1 << (i & 31))) !== 0) continue;
    const table = sptePfn(lo, w[first + i * 2 + 1]!) - kvm.tablePfnBase;
    const child = table >= 1 && table <= kvm.layout.dims.tables ? w[kvm.tableOwner + table]! : 0;
    if (child === 0 || !walk.isLive(child) || !isOrHasUnsync(kvm, child) || !walk.admit('Q17')) continue;
    walk.report(
      'Q17',
      `${entryName(kvm, sp, i)} leads to ${pageName(kvm, child)}, which is unsync or leads to one that is, and is not marked`,
      [first + i * 2, bitmap + (i >>> 5)],
    );
  }
}

/** Q33: the ring of nx-disallowed pages holds marked pages only, each once, and its length is the statistic. False if it cannot be followed. */
function checkNxList(walk: PageWalk, broken: ReportBroken): boolean {
  const { kvm } = walk;
  const { w } = kvm;
  const { tables } = kvm.layout.dims;
  const head = kvm.get(KVM.nxHead);
  let length = 0;
  for (let sp = head; sp !== 0;) {
    if (sp < 0 || sp > tables || !walk.markSeen(sp)) {
      broken(
        'Q33',
        `the list of nx-disallowed pages leads to ${pageName(kvm, sp)}, which is no page or was met before`,
        [kvm.base + KVM.nxHead],
      );
      return false;
    }
    const header = kvm.header(sp);
    length++;
    if ((w[header + SP.flags]! & SP_NX_DISALLOWED) === 0) {
      broken('Q33', `${pageName(kvm, sp)} is on the list of nx-disallowed pages and not marked`, [
        header + SP.flags,
      ]);
    }
    const next = w[header + SP.nxNext]!;
    if (next > 0 && next <= tables && w[kvm.header(next) + SP.nxPrev] !== sp) {
      broken('Q33', `the list of nx-disallowed pages is torn behind ${pageName(kvm, sp)}`, [
        header + SP.nxNext,
      ]);
      return false;
    }
    sp = next === head ? 0 : next;
  }
  if (length !== kvm.get(KVM.nxCount)) {
    broken('Q33', `${kvm.get(KVM.nxCount)} nx-disallowed pages are counted, and ${length} are on the list`, [
      kvm.base + KVM.nxCount,
    ]);
  }
  return true;
}

/** Q33, the other way: a page that is marked is on the list. */
function checkNxMark(walk: PageWalk, sp: number): void {
  const { kvm } = walk;
  const word = kvm.header(sp) + SP.flags;
  if ((kvm.w[word]! & SP_NX_DISALLOWED) === 0 || walk.wasSeen(sp) || !walk.admit('Q33')) return;
  walk.report('Q33', `${pageName(kvm, sp)} is marked nx-disallowed, and is not on the list`, [word]);
}

/** Q33: a page on the list is in use, in the one MMU or in the other; B-42 lists pages that others have zapped. */
function checkNxListed(walk: PageWalk, tdp: TdpWalk | undefined): void {
  for (const sp of nxDisallowedPages(walk.kvm)) {
    if (walk.isLive(sp) || tdp?.has(sp) === true || !walk.admit('Q33')) continue;
    walk.report('Q33', `${pageName(walk.kvm, sp)} is on the list of nx-disallowed pages and not in use`, [
      walk.kvm.header(sp) + SP.flags,
    ]);
  }
}

export const unsyncCheck: StateCheck = {
  ids: ['Q17', 'Q18', 'Q33'],
  when: 'end',
  run(kvm, broken) {
    const walk = pageWalk(kvm);
    walk.begin(broken);
    const { w } = kvm;
    const whole = checkNxList(walk, broken);
    for (let p = 0; p < walk.count; p++) {
      const sp = walk.pages[p]!;
      const header = kvm.header(sp);
      checkUnsyncPage(walk, sp);
      if (w[header + SP.shadowInfo] !== 0 && roleLevel(w[header + SP.role]!) > 1) checkMarks(walk, sp);
      checkNxMark(walk, sp);
    }
    if (hasReaders(kvm)) return;
    const tdp = tdpWalk(kvm);
    // What is torn cannot be followed.
    if (whole) checkNxListed(walk, tdp);
    if (tdp === undefined) return;
    for (let p = 0; p < tdp.count; p++) checkNxMark(walk, tdp.pages[p]!);
  },
};
