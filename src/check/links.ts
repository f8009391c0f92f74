/**
 * Links between shadow pages: tables and parent lists (kernel-facts 6.1, Q6 to Q10, Q12 and Q13).
 *
 * Linear: every parent list is read once and marks the entries it names, after a test that the entry points to the
 * list's page. Then each non-leaf entry of each table must be marked.
 */
import { isLarge, isShadowPresent, SPTE_MMU_PRESENT, SPTE_PS, sptePfn, ACC_WRITE } from '../mmu/format.ts';
import type { Kvm } from '../mmu/kvm.ts';
import {
  childRole,
  describeRole,
  roleAccess,
  roleDirect,
  roleInvalid,
  roleLevel,
  rolePassthrough,
} from '../mmu/role.ts';
import { SP } from '../mmu/shadow-page.ts';
import { gpteAccess, isPresentGpte } from '../mmu/shadow/walk-addr.ts';
import { accessText, entryName, hex, pageName, sptepName } from './naming.ts';
import { isGuestWriteInFlight } from './synced.ts';
import { pageWalk, type PageWalk } from './page-walk.ts';
import type { StateCheck } from './types.ts';

/** Q7, backward: one entry of the parent list of `sp`. */
function checkParent(walk: PageWalk, sp: number, sptep: number): void {
  const { kvm } = walk;
  const { w } = kvm;
  const word = sptep * 2;
  const holder = walk.holderOf(sptep);
  if (holder !== 0) {
    const lo = w[word]!;
    const nonLeaf = isShadowPresent(lo) && !isLarge(lo) && roleLevel(w[kvm.header(holder) + SP.role]!) > 1;
    const table = sptePfn(lo, w[word + 1]!) - kvm.tablePfnBase;
    if (nonLeaf && table === w[kvm.header(sp) + SP.table]) {
      const index = (sptep - kvm.tablesQ) & (kvm.entries - 1);
      if (walk.setBit((sptep - kvm.tablesQ) >> kvm.tableBits, index)) return;
      if (walk.admit('Q7')) {
        walk.report('Q7', `${pageName(kvm, sp)} lists ${entryName(kvm, holder, index)} twice as a parent`, [
          kvm.header(sp) + SP.parentPtes,
          word,
        ]);
      }
      return;
    }
  }
  if (walk.admit('Q7')) {
    walk.report(
      'Q7',
      `${pageName(kvm, sp)} lists ${sptepName(kvm, sptep)} as a parent, which does not point to it`,
      [kvm.header(sp) + SP.parentPtes, word],
    );
  }
}

function checkParentLists(walk: PageWalk): void {
  const { kvm, pages } = walk;
  const { w } = kvm;
  for (let p = 0; p < walk.count; p++) {
    const sp = pages[p]!;
    const head = kvm.header(sp) + SP.parentPtes;
    const value = w[head]!;
    if (value === 0) continue;
    if ((value & 1) === 0) {
      checkParent(walk, sp, value >>> 1);
      continue;
    }
    const count = walk.entriesOf(head);
    if (walk.listFault !== '' && walk.admit('Q21')) {
      walk.report('Q21', `the parent list of ${pageName(kvm, sp)}: ${walk.listFault}`, [head]);
    }
    for (let i = 0; i < count; i++) checkParent(walk, sp, walk.entries[i]!);
  }
}

/** Q6 and Q8: what is wrong with the page behind a non-leaf entry that is not live or not one level down. */
function reportChild(walk: PageWalk, sp: number, index: number, table: number, child: number): void {
  const { kvm } = walk;
  const { w } = kvm;
  const words = [(kvm.tablesQ + (w[kvm.header(sp) + SP.table]! << kvm.tableBits) + index) * 2];
  const { tables } = kvm.layout.dims;
  const name = entryName(kvm, sp, index);
  if (table < 1 || table > tables || child <= 0 || child > tables) {
    const what = table < 1 || table > tables ? 'which does not exist' : 'which is free';
    if (walk.admit('Q6')) walk.report('Q6', `${name} points to table ${table}, ${what}`, words);
  } else if (roleInvalid(w[kvm.header(child) + SP.role]!)) {
    if (walk.admit('Q8')) walk.report('Q8', `${name} points to ${pageName(kvm, child)}`, words);
  } else if (!walk.isLive(child)) {
    if (walk.admit('Q6'))
      walk.report('Q6', `${name} points to ${pageName(kvm, child)}, which is not active`, words);
  } else if (walk.admit('Q6')) {
    walk.report('Q6', `${name} points to ${pageName(kvm, child)}, which is not one level down`, words);
  }
}

/**
 * Q10: the child of an indirect entry maps what the entry stood for. The stored translation says so if the entry was a
 * leaf before; a fault that links a child at once leaves it alone, and then L1's own entry tells.
 */
function checkBelowIndirect(walk: PageWalk, sp: number, index: number, child: number): void {
  const { kvm } = walk;
  const { w } = kvm;
  const header = kvm.header(sp);
  const mask = ~(kvm.pages(roleLevel(w[header + SP.role]!)) - 1);
  const word = kvm.shadowInfo + (w[header + SP.shadowInfo]! << kvm.tableBits) + index;
  const stored = w[word]!;
  const gfn = w[kvm.header(child) + SP.gfn]!;
  const access = roleAccess(w[kvm.header(child) + SP.role]!);
  if (((stored >>> 3) & mask) === gfn && (stored & 7) === access) return;
  // Where L1 rewrites its entries, Q11 compares the child with them: it knows which writes are on their way.
  if (kvm.config.l1Vcpus > 0) return;
  if (matchesGuestEntry(kvm, sp, index, gfn, access, mask)) return;
  if (walk.admit('Q10')) {
    walk.report(
      'Q10',
      `${entryName(kvm, sp, index)} stands for gfn ${hex(stored >>> 3)} ${accessText(stored & 7)}, and its child is ${pageName(kvm, child)}`,
      [word, kvm.header(child) + SP.gfn, kvm.header(child) + SP.role],
    );
  }
}

/** True if L1's entry maps this gfn with this access, or is just being written; a clean entry may lack W here. */
function matchesGuestEntry(
  kvm: Kvm,
  sp: number,
  index: number,
  gfn: number,
  access: number,
  mask: number,
): boolean {
  const { w, format, config } = kvm;
  const table = w[kvm.header(sp) + SP.gfn]! - config.tableGfn;
  if (table < 0 || table >= config.tablePages) return false;
  const q = kvm.guestTablesQ + (table << kvm.tableBits) + index;
  if (isGuestWriteInFlight(kvm, q)) return true;
  const at = q * 2;
  const lo = w[at]!;
  const hi = w[at + 1]!;
  if (!isPresentGpte(format, lo) || (sptePfn(lo, hi) & mask) !== gfn) return false;
  const allowed = roleAccess(w[kvm.header(sp) + SP.role]!) & gpteAccess(format, lo, hi);
  return access === allowed || (config.l1AdBits && access === (allowed & ~ACC_WRITE));
}

/** Q9, Q12 and Q13 of a link, and Q10 below an indirect page. */
function checkLink(walk: PageWalk, sp: number, index: number, child: number): void {
  const { kvm } = walk;
  const { w } = kvm;
  const header = kvm.header(sp);
  const childHeader = kvm.header(child);
  const role = w[header + SP.role]!;
  const role2 = w[childHeader + SP.role]!;
  if (roleDirect(role)) {
    const gfn = w[header + SP.gfn]! + index * kvm.pages(roleLevel(role));
    if ((!roleDirect(role2) || w[childHeader + SP.gfn] !== gfn) && walk.admit('Q9')) {
      walk.report(
        'Q9',
        `${entryName(kvm, sp, index)} covers gfn ${hex(gfn)}, and its child is ${pageName(kvm, child)}`,
        [header + SP.gfn, childHeader + SP.gfn, childHeader + SP.role],
      );
    }
  } else if (roleDirect(role2) && !rolePassthrough(role)) checkBelowIndirect(walk, sp, index, child);
  const expected = childRole(role, roleDirect(role2), roleAccess(role2));
  if (role2 !== expected && walk.admit('Q12')) {
    walk.report(
      'Q12',
      `${pageName(kvm, child)} has role ${hex(role2 >>> 0)}, and below ${pageName(kvm, sp)} it should be ${hex(expected >>> 0)} (${describeRole(expected)})`,
      [childHeader + SP.role, header + SP.role],
    );
  }
  if ((roleAccess(role2) & ~roleAccess(role)) !== 0 && walk.admit('Q13')) {
    walk.report('Q13', `${pageName(kvm, child)} allows more than its parent, ${pageName(kvm, sp)}`, [
      childHeader + SP.role,
      header + SP.role,
    ]);
  }
}

function checkTable(walk: PageWalk, sp: number): void {
  const { kvm } = walk;
  const { w, tableOwner, tablePfnBase } = kvm;
  const { tables } = kvm.layout.dims;
  const header = kvm.header(sp);
  const level = roleLevel(w[header + SP.role]!);
  const own = w[header + SP.table]!;
  const first = (kvm.tablesQ + (own << kvm.tableBits)) * 2;
  const { entries } = kvm;
  for (let index = 0; index < entries; index++) {
    const lo = w[first + index * 2]!;
    if ((lo & (SPTE_MMU_PRESENT | SPTE_PS)) !== SPTE_MMU_PRESENT) continue;
    const table = sptePfn(lo, w[first + index * 2 + 1]!) - tablePfnBase;
    const child = table >= 1 && table <= tables ? w[tableOwner + table]! : 0;
    if (!walk.isLive(child) || roleLevel(w[kvm.header(child) + SP.role]!) !== level - 1) {
      reportChild(walk, sp, index, table, child);
      continue;
    }
    if (roleInvalid(w[kvm.header(child) + SP.role]!)) reportChild(walk, sp, index, table, child);
    if (!walk.hasBit(own, index) && walk.admit('Q7')) {
      walk.report(
        'Q7',
        `${entryName(kvm, sp, index)} points to ${pageName(kvm, child)}, which does not list it`,
        [first + index * 2, kvm.header(child) + SP.parentPtes],
      );
    }
    checkLink(walk, sp, index, child);
  }
}

export const linkCheck: StateCheck = {
  ids: ['Q6', 'Q7', 'Q8', 'Q9', 'Q10', 'Q12', 'Q13', 'Q21'],
  when: 'end',
  run(kvm, broken) {
    const walk = pageWalk(kvm);
    walk.begin(broken);
    walk.clearBits();
    checkParentLists(walk);
    for (let p = 0; p < walk.count; p++) {
      const sp = walk.pages[p]!;
      // Tables of level 1 hold leaves only.
      if (roleLevel(kvm.w[kvm.header(sp) + SP.role]!) > 1) checkTable(walk, sp);
    }
  },
};
