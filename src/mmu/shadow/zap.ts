/** Zapping shadow pages: unlink, invalidate, flush, free (kernel-facts 1.2, 5.5, A21). */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { flushRemoteTlbs, makeAllCpusRequest } from '../flush.ts';
import { isLastSpte, isShadowPresent } from '../format.ts';
import { heldHi, heldLo } from '../held-spte.ts';
import { KVM, type Kvm } from '../kvm.ts';
import { clearMmioSpte, isMmioSpte } from '../mmio-spte.ts';
import { unaccountHugeNxPage } from '../nx-list.ts';
import { pteListEntries, pteListRemove } from '../pte-list.ts';
import { ROLE_INVALID, roleDirect, roleGuestMode, roleInvalid, roleLevel } from '../role.ts';
import { dropLeaf } from '../rmap.ts';
import {
  freeShadowPage,
  isObsolete,
  parentPtesWord,
  spGfn,
  SP,
  SP_ACTIVE,
  spFlags,
  spPut,
  spRole,
  spRootCount,
  sptepOf,
  unlinkActive,
} from '../shadow-page.ts';
import { spteChildSp } from '../spte.ts';
import { countWriteTracked } from '../write-track.ts';
import { REQ_FREE_OBSOLETE_ROOTS } from '../vcpu-words.ts';
import { spUnsync, spUnsyncChildren, unlinkUnsyncPage, UnsyncPages } from './unsync.ts';

/** drop_parent_pte(): clears a non-leaf entry and takes it off its child's parents. Exchange64 is announced. */
export function dropParentPte(kvm: Kvm, cpu: Cpu, childSp: number, sptep: number): void {
  kvm.assertMmuWrite(cpu, 'a parent list');
  pteListRemove(kvm, sptep, parentPtesWord(kvm, childSp));
  cpu.exchange64(sptep, 0, 0);
  kvm.observer.spteChanged(cpu, sptep, cpu.lo, cpu.hi, 0, 0);
}

/** indirect_shadow_pages, which an emulated write of L1 reads without any lock (B-55). */
export function* countIndirectPage(kvm: Kvm, cpu: Cpu, by: 1 | -1): Steps<void> {
  const word = kvm.base + KVM.indirectShadowPages;
  if (kvm.config.l1Vcpus === 0) {
    kvm.arena.put(word, kvm.w[word]! + by);
    return;
  }
  if (cpu.stepped && cpu.stops(Op.Add, word)) yield;
  cpu.add(word, by);
}

/** unaccount_shadowed(): the gfn may be mapped writable and huge again. */
function* unaccountShadowed(kvm: Kvm, cpu: Cpu, sp: number): Steps<void> {
  const gfn = spGfn(kvm, sp);
  const slot = kvm.slotOf(gfn);
  yield* countIndirectPage(kvm, cpu, -1);
  if (slot === undefined) return;
  if (roleLevel(spRole(kvm, sp)) > 1) yield* countWriteTracked(kvm, cpu, slot, gfn, -1);
  slot.adjustDisallowLpage(gfn, -1);
}

/**
 * kvm_mmu_prepare_zap_page(): unlinks a page from its children and parents and marks it invalid. Pages whose last
 * reference is gone are added to `invalid`; commitZap frees them.
 * @returns pages added
 */
export function* prepareZap(kvm: Kvm, cpu: Cpu, sp: number, invalid: number[]): Steps<number> {
  kvm.assertMmuWrite(cpu, 'a shadow page');
  cpu.count(C.shadowZapped);
  kvm.observer.zapPage(cpu, sp);
  const role = spRole(kvm, sp);
  const level = roleLevel(role);
  let added = yield* zapUnsyncChildren(kvm, cpu, sp, invalid);
  for (let index = 0; index < kvm.entries; index++) {
    const sptep = sptepOf(kvm, sp, index);
    const lo = heldLo(kvm, sptep);
    if (!isShadowPresent(lo)) {
      if (isMmioSpte(kvm.format, lo, heldHi(kvm, sptep))) yield* clearMmioSpte(cpu, sptep);
      continue;
    }
    if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
    if (isLastSpte(lo, level)) yield* dropLeaf(kvm, cpu, sptep);
    else {
      const child = spteChildSp(kvm, lo, heldHi(kvm, sptep));
      dropParentPte(kvm, cpu, child, sptep);
      // A nested child nobody points to any more is zapped with its parent.
      if (kvm.engine.zapsOrphan(kvm, child)) {
        kvm.observer.orphanZapped(cpu, child);
        added += yield* prepareZap(kvm, cpu, child, invalid);
      }
    }
  }
  for (const sptep of pteListEntries(kvm, parentPtesWord(kvm, sp))) {
    if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
    dropParentPte(kvm, cpu, sp, sptep);
  }
  if (!roleInvalid(role) && !roleDirect(role)) yield* unaccountShadowed(kvm, cpu, sp);
  if (spUnsync(kvm, sp)) unlinkUnsyncPage(kvm, sp);
  const rooted = spRootCount(kvm, sp) > 0;
  // Nobody can use an obsolete root, and who zaps them has asked for the reload already.
  const current = !isObsolete(kvm, sp);
  if ((spFlags(kvm, sp) & SP_ACTIVE) !== 0) unlinkActive(kvm, sp);
  if (rooted) {
    if (!roleInvalid(role)) kvm.put(KVM.invalidRoots, kvm.get(KVM.invalidRoots) + 1);
  } else {
    // An invalid page that comes back here was a root until now.
    if (roleInvalid(role)) kvm.put(KVM.invalidRoots, kvm.get(KVM.invalidRoots) - 1);
    invalid.push(sp);
    kvm.put(KVM.nUsed, kvm.get(KVM.nUsed) - 1);
    added++;
  }
  unaccountHugeNxPage(kvm, sp);
  spPut(kvm, sp, SP.role, role | ROLE_INVALID);
  // After the mark, or another vCPU would not see that its root is invalid (10.4).
  if (rooted && current) yield* kvm.engine.requestFreeObsoleteRoots(kvm, cpu);
  return added;
}

/** mmu_zap_unsync_children(): what is unsync below goes along, as nobody would find it to sync it. Returns pages added. */
function* zapUnsyncChildren(kvm: Kvm, cpu: Cpu, parent: number, invalid: number[]): Steps<number> {
  if (spUnsyncChildren(kvm, parent) === 0) return 0;
  const pages = new UnsyncPages(kvm, cpu);
  let added = 0;
  while (yield* pages.walk(parent)) {
    for (let sp = pages.first(); sp !== 0; sp = pages.next()) {
      added += yield* prepareZap(kvm, cpu, sp, invalid);
      yield* pages.clearParents();
    }
  }
  return added;
}

/** Default of `Engine.zapsOrphan`: a nested child whose last parent went, unless it is a root (B-48). */
export function zapsOrphan(kvm: Kvm, childSp: number): boolean {
  return (
    roleGuestMode(spRole(kvm, childSp)) &&
    kvm.w[parentPtesWord(kvm, childSp)] === 0 &&
    spRootCount(kvm, childSp) === 0
  );
}

/** Default of `Engine.requestFreeObsoleteRoots`: returns once no vCPU is in the guest on a root that has gone. */
export function* requestFreeObsoleteRoots(kvm: Kvm, cpu: Cpu): Steps<void> {
  yield* makeAllCpusRequest(kvm, cpu, REQ_FREE_OBSOLETE_ROOTS);
}

/** kvm_mmu_commit_zap_page(): one full flush, then the memory may be used again (Q51). */
export function* commitZap(kvm: Kvm, cpu: Cpu, invalid: number[]): Steps<void> {
  if (invalid.length === 0) return;
  yield* flushRemoteTlbs(kvm, cpu, 'zap');
  for (const sp of invalid) {
    kvm.observer.pageFreed(cpu, sp);
    freeShadowPage(kvm, sp);
  }
  invalid.length = 0;
}

/** Zaps the pages given and commits. */
export function* zapPages(kvm: Kvm, cpu: Cpu, pages: readonly number[]): Steps<void> {
  const invalid: number[] = [];
  for (const sp of pages) yield* prepareZap(kvm, cpu, sp, invalid);
  yield* commitZap(kvm, cpu, invalid);
}

/** kvm_mmu_zap_oldest_mmu_pages(): from the tail of the active list, never a root (A21). */
export function* zapOldest(kvm: Kvm, cpu: Cpu, target: number): Steps<number> {
  const invalid: number[] = [];
  let total = 0;
  restart: while (total < target) {
    for (let sp = kvm.get(KVM.activeTail); sp !== 0; sp = kvm.w[kvm.header(sp) + SP.linkPrev]!) {
      if (kvm.engine.reclaimSkips(kvm, sp)) continue;
      total += yield* prepareZap(kvm, cpu, sp, invalid);
      // The page is off the list, and children may be: start over from the tail.
      continue restart;
    }
    break;
  }
  cpu.count(C.pagesReclaimed, total);
  yield* commitZap(kvm, cpu, invalid);
  return total;
}
