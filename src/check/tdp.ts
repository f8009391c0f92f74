/**
 * The structure of the TDP MMU when nobody is inside it (kernel-facts 6.2, 4.3, 4.5, Q37, Q38, Q39): no entry is frozen,
 * every page is where its header says, and roots are counted.
 */
import { isLarge, isRemovedSpte, isShadowPresent } from '../mmu/format.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { roleDirect, roleGuestMode, roleInvalid, roleLevel } from '../mmu/role.ts';
import { hashBucket, SP, SP_ACTIVE, SP_TDP, SP_TDP_ZAP } from '../mmu/shadow-page.ts';
import { ROOT_L1, VCPU } from '../mmu/vcpu-words.ts';
import { entryName, hex, pageName } from './naming.ts';
import { pageWalk } from './page-walk.ts';
import { NothingToCheck, StepCheckBase } from './step-check.ts';
import { tdpWalk, type TdpWalk } from './tdp-walk.ts';
import type { ReportBroken, StateCheck, StepCheckFamily } from './types.ts';

function misplaced(kvm: Kvm, sp: number, what: string, word: number, broken: ReportBroken): void {
  broken('Q38', `${pageName(kvm, sp)} of the TDP MMU ${what}`, [word]);
}

/** Q38: one page below a root. */
function checkPosition(walk: TdpWalk, p: number, broken: ReportBroken): void {
  const { kvm } = walk;
  const { w } = kvm;
  const sp = walk.pages[p]!;
  const header = kvm.header(sp);
  const role = w[header + SP.role]!;
  const sptep = walk.parents[p]!;
  const isRoot = sptep === 0;
  if ((w[header + SP.flags]! & (SP_TDP | SP_ACTIVE)) !== SP_TDP)
    misplaced(kvm, sp, 'is not marked as one', header + SP.flags, broken);
  if (!roleDirect(role) || roleGuestMode(role))
    misplaced(kvm, sp, 'has the role of a shadow page', header + SP.role, broken);
  if (w[header + SP.parentPtes] !== sptep)
    misplaced(kvm, sp, 'is not linked where its header says', header + SP.parentPtes, broken);
  if (isRoot) return;
  const parent = w[kvm.tableOwner + ((sptep - kvm.tablesQ) >> kvm.tableBits)]!;
  const parentHeader = kvm.header(parent);
  const level = roleLevel(w[parentHeader + SP.role]!);
  const gfn = w[parentHeader + SP.gfn]! + ((sptep - kvm.tablesQ) & (kvm.entries - 1)) * kvm.pages(level);
  if (roleLevel(role) !== level - 1 || w[header + SP.gfn] !== gfn) {
    misplaced(kvm, sp, `is linked at level ${level}, gfn ${hex(gfn)}`, header + SP.gfn, broken);
  }
  let left = kvm.layout.dims.tables;
  for (let at = w[hashBucket(kvm, w[header + SP.gfn]!)]!; at > 0 && at <= left; left--) {
    if (at === sp) misplaced(kvm, sp, 'is in the hash', header, broken);
    at = w[kvm.header(at) + SP.hashNext]!;
  }
}

/** Q37 and Q38 of the entries of one page. */
function checkEntries(walk: TdpWalk, p: number, broken: ReportBroken): void {
  const { kvm } = walk;
  const { w } = kvm;
  const sp = walk.pages[p]!;
  const first = walk.firstEntry(p);
  const leafLevel = roleLevel(w[kvm.header(sp) + SP.role]!) === 1;
  if (first === 0) return;
  for (let i = 0; i < kvm.entries; i++) {
    const word = (first + i) * 2;
    const lo = w[word]!;
    const hi = w[word + 1]!;
    if (isRemovedSpte(lo, hi))
      broken('Q37', `${entryName(kvm, sp, i)} is frozen, and nobody is at work`, [word]);
    if (leafLevel || !isShadowPresent(lo) || isLarge(lo)) continue;
    const child = walk.childOf(lo, hi);
    if (child === 0) broken('Q38', `${entryName(kvm, sp, i)} points to a table that is free`, [word]);
    else if (w[kvm.header(child) + SP.parentPtes] !== first + i) {
      broken('Q38', `${entryName(kvm, sp, i)} points to ${pageName(kvm, child)}, which is linked elsewhere`, [
        word,
      ]);
    }
  }
}

/** Q39: a root lives as long as somebody has a reference; each vCPU that uses one has. */
function checkRoots(walk: TdpWalk, broken: ReportBroken): void {
  const { kvm } = walk;
  for (let p = 0; p < walk.rootCount; p++) {
    const root = walk.pages[p]!;
    const word = kvm.header(root) + SP.rootCount;
    const needed = Math.max(1, rootUsers(kvm, root));
    if (kvm.w[word]! < needed) {
      broken('Q39', `${pageName(kvm, root)} has ${kvm.w[word]} references, and ${needed} are in use`, [word]);
    }
  }
  if (walk.stray !== 0) {
    broken('Q39', `the list of TDP roots leads to ${pageName(kvm, walk.stray)}`, [kvm.base + KVM.tdpRoots]);
  }
}

/**
 * vCPUs that have the root loaded, the reference of whoever invalidated it and has not zapped it yet, and that of the TDP MMU
 * itself to a valid one.
 */
function rootUsers(kvm: Kvm, root: number): number {
  const header = kvm.header(root);
  let users = (kvm.w[header + SP.flags]! & SP_TDP_ZAP) !== 0 ? 1 : 0;
  if (kvm.engine.tdpRootsPersist && !roleInvalid(kvm.w[header + SP.role]!)) users++;
  for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
    if (kvm.w[kvm.vcpuWord(vcpu) + VCPU.roots + ROOT_L1] === root) users++;
  }
  return users;
}

/** Q37: frozen values are the TDP MMU's own. */
function checkShadowTables(kvm: Kvm, broken: ReportBroken): void {
  const walk = pageWalk(kvm);
  walk.begin(broken);
  for (let p = 0; p < walk.count; p++) {
    const sp = walk.pages[p]!;
    const first = kvm.tablesQ + (kvm.w[kvm.header(sp) + SP.table]! << kvm.tableBits);
    for (let i = 0; i < kvm.entries; i++) {
      if (!isRemovedSpte(kvm.w[(first + i) * 2]!, kvm.w[(first + i) * 2 + 1]!) || !walk.admit('Q37'))
        continue;
      broken('Q37', `${entryName(kvm, sp, i)} is frozen, in a shadow page`, [(first + i) * 2]);
    }
  }
}

export const tdpCheck: StateCheck = {
  ids: ['Q37', 'Q38', 'Q39'],
  when: 'release',
  tdp: true,
  run(kvm, broken) {
    const walk = tdpWalk(kvm);
    if (walk === undefined) return;
    checkRoots(walk, broken);
    for (let p = 0; p < walk.count; p++) {
      checkPosition(walk, p, broken);
      checkEntries(walk, p, broken);
    }
    const children = walk.count - walk.rootCount;
    if (kvm.get(KVM.tdpPages) === children) return;
    broken('Q38', `${kvm.get(KVM.tdpPages)} pages of the TDP MMU are counted, and ${children} are linked`, [
      kvm.base + KVM.tdpPages,
    ]);
  },
};

/** Q37 of the shadow MMU: a walk over all tables, for the end. */
export const frozenCheck: StateCheck = {
  ids: ['Q37'],
  when: 'end',
  run(kvm, broken) {
    if (kvm.get(KVM.tdpRoots) !== 0) checkShadowTables(kvm, broken);
  },
};

/** Q39 when everybody has gone: no reference is left over. */
class RootsAtEnd extends StepCheckBase {
  override begin(): void {}

  override atEnd(kvm: Kvm): void {
    const walk = tdpWalk(kvm);
    if (walk === undefined) return;
    for (let p = 0; p < walk.rootCount; p++) {
      const root = walk.pages[p]!;
      const header = kvm.header(root);
      const users = rootUsers(kvm, root);
      if (kvm.w[header + SP.rootCount] === users && (users > 0 || !roleInvalid(kvm.w[header + SP.role]!)))
        continue;
      this.report(
        undefined,
        'Q39',
        `${pageName(kvm, root)} has ${kvm.w[header + SP.rootCount]} references at the end, and ${users} are in use`,
        [header + SP.rootCount],
      );
    }
  }
}

export const rootsAtEnd: StepCheckFamily = {
  ids: ['Q39'],
  make: (kvm, broken) =>
    kvm.config.l1Vcpus === 0 ? new NothingToCheck(kvm, broken) : new RootsAtEnd(kvm, broken),
};
