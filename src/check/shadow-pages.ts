/**
 * Shadow pages by themselves: the active list, the hash, the counts (kernel-facts 6.1, Q1 to Q5 and Q14).
 *
 * The list is walked once and the hash once, all buckets: a page may be nowhere else than in the bucket of its gfn.
 */
import { KVM } from '../mmu/kvm.ts';
import { roleDirect, roleGuestMode, roleInvalid } from '../mmu/role.ts';
import { hashBucket, SP, SP_ACTIVE } from '../mmu/shadow-page.ts';
import { hex, pageName } from './naming.ts';
import { pageWalk, type PageWalk } from './page-walk.ts';
import type { StateCheck } from './types.ts';

/** Pages a fault may take beyond n_max: a table on each of at most four levels below the root (Q5). */
const MAX_OVERRUN = 4;

/** Q1, Q14, and that a page is made of its own parts. */
function checkPage(walk: PageWalk, sp: number, prev: number): void {
  const { kvm } = walk;
  const { w } = kvm;
  const header = kvm.header(sp);
  const role = w[header + SP.role]!;
  const table = w[header + SP.table]!;
  if (roleInvalid(role) && walk.admit('Q1')) {
    walk.report('Q1', `${pageName(kvm, sp)} is on the active list`, [header + SP.role]);
  }
  if (!walk.isLive(sp)) {
    if (walk.admit('Q1')) {
      const info = w[header + SP.shadowInfo]!;
      walk.report(
        'Q1',
        `${pageName(kvm, sp)} has table ${table} and shadowed translation ${info}: a level or an index does not exist`,
        [header + SP.role, header + SP.table, header + SP.shadowInfo],
      );
    }
    return;
  }
  const owner = w[kvm.tableOwner + table]!;
  if (owner !== sp && walk.admit('Q1')) {
    walk.report('Q1', `${pageName(kvm, sp)} has table ${table}, which points back to header ${owner}`, [
      header + SP.table,
      kvm.tableOwner + table,
    ]);
  }
  if (roleDirect(role) !== (w[header + SP.shadowInfo] === 0) && walk.admit('Q1')) {
    const has = roleDirect(role) ? 'a shadowed translation' : 'no shadowed translation';
    walk.report('Q1', `${pageName(kvm, sp)} has ${has}`, [header + SP.role, header + SP.shadowInfo]);
  }
  if (((w[header + SP.flags]! & SP_ACTIVE) === 0 || w[header + SP.linkPrev] !== prev) && walk.admit('Q1')) {
    walk.report(
      'Q1',
      `${pageName(kvm, sp)} follows header ${prev} on the active list and says flags ${w[header + SP.flags]}, previous ${w[header + SP.linkPrev]}`,
      [header + SP.flags, header + SP.linkPrev],
    );
  }
  if (kvm.config.tdpMmu && !roleGuestMode(role) && walk.admit('Q14')) {
    walk.report('Q14', `${pageName(kvm, sp)} is not in guest mode though the TDP MMU is on`, [
      header + SP.role,
    ]);
  }
}

function checkActiveList(walk: PageWalk): void {
  const { kvm } = walk;
  const { w } = kvm;
  let prev = 0;
  let left = walk.listed;
  for (let sp = kvm.get(KVM.activeHead); left > 0; left--) {
    checkPage(walk, sp, prev);
    prev = sp;
    sp = w[kvm.header(sp) + SP.linkNext]!;
  }
  if (walk.strayHeader !== 0 && walk.admit('Q1')) {
    const why =
      walk.strayHeader > 0 && walk.strayHeader <= kvm.layout.dims.tables ? 'comes back to' : 'names';
    walk.report('Q1', `the active list ${why} ${pageName(kvm, walk.strayHeader)}`, [
      prev === 0 ? kvm.base + KVM.activeHead : kvm.header(prev) + SP.linkNext,
    ]);
  } else if (kvm.get(KVM.activeTail) !== prev && walk.admit('Q1')) {
    walk.report(
      'Q1',
      `the active list ends with header ${prev}, and its tail says ${kvm.get(KVM.activeTail)}`,
      [kvm.base + KVM.activeTail],
    );
  }
}

/** Q2 and Q3 of one chain; returns how many invalid pages it holds. */
function checkChain(walk: PageWalk, bucket: number): number {
  const { kvm } = walk;
  const { w } = kvm;
  const { tables } = kvm.layout.dims;
  let invalid = 0;
  let from = bucket;
  for (let sp = w[bucket]!; sp !== 0;) {
    if (sp < 0 || sp > tables || !walk.markSeen(sp)) {
      if (walk.admit('Q2')) {
        const text = `bucket ${bucket - kvm.layout.hash} leads to ${pageName(kvm, sp)}`;
        walk.report('Q2', sp < 0 || sp > tables ? text : `${text}, which was met before in the hash`, [from]);
      }
      return invalid;
    }
    const header = kvm.header(sp);
    const gfn = w[header + SP.gfn]!;
    const role = w[header + SP.role]!;
    if (roleInvalid(role)) invalid++;
    if (hashBucket(kvm, gfn) !== bucket && walk.admit('Q2')) {
      walk.report(
        'Q2',
        `${pageName(kvm, sp)} is in bucket ${bucket - kvm.layout.hash}, not in that of its gfn`,
        [header + SP.gfn, from],
      );
    }
    if (!walk.isLive(sp) && !roleInvalid(role) && walk.admit('Q2')) {
      walk.report('Q2', `${pageName(kvm, sp)} is in the hash and not on the active list`, [header, from]);
    }
    from = header + SP.hashNext;
    if (!roleInvalid(role)) checkUnique(walk, sp, gfn, role, w[header + SP.validGen]!);
    sp = w[from]!;
  }
  return invalid;
}

/** Q3: no valid page later in the chain has the same identity. */
function checkUnique(walk: PageWalk, sp: number, gfn: number, role: number, gen: number): void {
  const { kvm } = walk;
  const { w } = kvm;
  const { tables } = kvm.layout.dims;
  let left = tables;
  for (let other = w[kvm.header(sp) + SP.hashNext]!; other > 0 && other <= tables && left > 0; left--) {
    const header = kvm.header(other);
    if (
      w[header + SP.gfn] === gfn &&
      w[header + SP.role] === role &&
      w[header + SP.validGen] === gen &&
      other !== sp &&
      walk.admit('Q3')
    ) {
      walk.report('Q3', `${pageName(kvm, sp)} and page ${other} have the same gfn and role`, [
        kvm.header(sp) + SP.role,
        header + SP.role,
      ]);
    }
    other = w[header + SP.hashNext]!;
  }
}

const GROUP = 8;

const groupIsEmpty = (w: Int32Array, at: number): boolean =>
  (w[at]! | w[at + 1]! | w[at + 2]! | w[at + 3]! | w[at + 4]! | w[at + 5]! | w[at + 6]! | w[at + 7]!) === 0;

/** Q2 and Q3; returns the number of invalid pages in the hash. */
function checkHash(walk: PageWalk): number {
  const { kvm } = walk;
  const { w } = kvm;
  const first = kvm.layout.hash;
  const end = first + (1 << kvm.layout.dims.hashBits);
  let invalid = 0;
  // On a small machine nearly all buckets are empty, and this loop is most of the check: eight per test.
  for (let group = first; group < end; group += GROUP) {
    if (group + GROUP <= end && groupIsEmpty(w, group)) continue;
    for (let bucket = group; bucket < Math.min(group + GROUP, end); bucket++) {
      if (w[bucket] !== 0) invalid += checkChain(walk, bucket);
    }
  }
  for (let p = 0; p < walk.count; p++) {
    const sp = walk.pages[p]!;
    if (!walk.wasSeen(sp) && walk.admit('Q2')) {
      walk.report('Q2', `${pageName(kvm, sp)} is in no bucket that can be reached`, [
        kvm.header(sp) + SP.hashNext,
      ]);
    }
  }
  return invalid;
}

/** Q1 to Q4 and Q14. */
export const shadowPageCheck: StateCheck = {
  ids: ['Q1', 'Q2', 'Q3', 'Q4', 'Q14'],
  when: 'end',
  run(kvm, broken) {
    const walk = pageWalk(kvm);
    walk.begin(broken);
    checkActiveList(walk);
    const invalid = checkHash(walk);
    const used = kvm.get(KVM.nUsed);
    // Invalid pages leave the hash when they are freed, at the end of the write section that zapped them; a root stays,
    // and so does what zapped_obsolete_pages keeps, which is no longer counted as used.
    const zapped = kvm.get(KVM.obsoletePages);
    if (used !== walk.listed + invalid - zapped) {
      broken(
        'Q4',
        `n_used is ${used}, with ${walk.listed} pages on the active list and ${invalid} invalid ones, ${zapped} of them only to be freed`,
        [kvm.base + KVM.nUsed],
      );
    }
    const roots = kvm.get(KVM.invalidRoots);
    if (roots !== invalid - zapped) {
      broken('Q4', `${roots} invalid roots are counted, and the hash holds ${invalid - zapped}`, [
        kvm.base + KVM.invalidRoots,
      ]);
    }
  },
};

/** Q5: cheap, and gone again after the next reclaim. */
export const pageBudgetCheck: StateCheck = {
  ids: ['Q5'],
  when: 'release',
  run(kvm, broken) {
    const used = kvm.get(KVM.nUsed);
    const max = kvm.get(KVM.nMax);
    if (used > max + MAX_OVERRUN) {
      broken('Q5', `${hex(used)} shadow pages are in use (n_used), and n_max is ${hex(max)}`, [
        kvm.base + KVM.nUsed,
        kvm.base + KVM.nMax,
      ]);
    }
  },
};
