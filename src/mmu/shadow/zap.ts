/** Zapping shadow pages: unlink, invalidate, flush, free (kernel-facts 1.2, 5.5, A21). */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { isLastSpte, isShadowPresent } from '../format.ts';
import { KVM, type Kvm } from '../kvm.ts';
import { pteListEntries, pteListRemove } from '../pte-list.ts';
import { ROLE_INVALID, roleDirect, roleGuestMode, roleInvalid, roleLevel } from '../role.ts';
import { dropSpte } from '../rmap.ts';
import {
  freeShadowPage,
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
import { REQ_FREE_OBSOLETE_ROOTS, VCPU } from '../vcpu-words.ts';
import { makeAllCpusRequest } from '../flush.ts';

/** drop_parent_pte(): clears a non-leaf entry and takes it off its child's parents. Exchange64 is announced. */
export function dropParentPte(kvm: Kvm, cpu: Cpu, childSp: number, sptep: number): void {
  kvm.assertMmuWrite(cpu, 'a parent list');
  pteListRemove(kvm, sptep, parentPtesWord(kvm, childSp));
  cpu.exchange64(sptep, 0, 0);
}

/** unaccount_shadowed(): the gfn may be mapped writable and huge again. */
function unaccountShadowed(kvm: Kvm, sp: number): void {
  const gfn = spGfn(kvm, sp);
  const slot = kvm.slotOf(gfn);
  kvm.put(KVM.indirectShadowPages, kvm.get(KVM.indirectShadowPages) - 1);
  if (slot === undefined) return;
  if (roleLevel(spRole(kvm, sp)) > 1) {
    const word = slot.writeTrackWord(gfn);
    kvm.arena.put(word, kvm.w[word]! - 1);
  }
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
  let added = 0;
  for (let index = 0; index < kvm.entries; index++) {
    const sptep = sptepOf(kvm, sp, index);
    const lo = kvm.w[sptep * 2]!;
    if (!isShadowPresent(lo)) continue;
    if (cpu.stepped) yield cpu.at(Op.Exchange64, sptep * 2);
    if (isLastSpte(lo, level)) dropSpte(kvm, cpu, sptep);
    else {
      const child = spteChildSp(kvm, lo, kvm.w[sptep * 2 + 1]!);
      dropParentPte(kvm, cpu, child, sptep);
      // A nested child nobody points to any more is zapped with its parent.
      if (
        roleGuestMode(spRole(kvm, child)) &&
        kvm.w[parentPtesWord(kvm, child)] === 0 &&
        spRootCount(kvm, child) === 0
      ) {
        added += yield* prepareZap(kvm, cpu, child, invalid);
      }
    }
  }
  for (const sptep of pteListEntries(kvm, parentPtesWord(kvm, sp))) {
    if (cpu.stepped) yield cpu.at(Op.Exchange64, sptep * 2);
    dropParentPte(kvm, cpu, sp, sptep);
  }
  if (!roleInvalid(role) && !roleDirect(role)) unaccountShadowed(kvm, sp);
  const rooted = spRootCount(kvm, sp) > 0;
  if ((spFlags(kvm, sp) & SP_ACTIVE) !== 0) unlinkActive(kvm, sp);
  if (rooted) {
    if (!roleInvalid(role)) kvm.put(KVM.invalidRoots, kvm.get(KVM.invalidRoots) + 1);
  } else {
    invalid.push(sp);
    kvm.put(KVM.nUsed, kvm.get(KVM.nUsed) - 1);
    added++;
  }
  spPut(kvm, sp, SP.role, role | ROLE_INVALID);
  if (rooted && !roleInvalid(role)) yield* makeAllCpusRequest(kvm, cpu, REQ_FREE_OBSOLETE_ROOTS);
  return added;
}

/** kvm_mmu_commit_zap_page(): one full flush, then the memory may be used again (Q51). */
export function* commitZap(kvm: Kvm, cpu: Cpu, invalid: number[]): Steps<void> {
  if (invalid.length === 0) return;
  yield* flushRemoteTlbs(kvm, cpu, 'zap');
  for (const sp of invalid) freeShadowPage(kvm, sp);
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
      if (spRootCount(kvm, sp) > 0) continue;
      total += yield* prepareZap(kvm, cpu, sp, invalid);
      // The page is off the list, and children may be: start over from the tail.
      continue restart;
    }
    break;
  }
  yield* commitZap(kvm, cpu, invalid);
  return total;
}

/** kvm_mmu_free_obsolete_roots(): a vCPU lets go of roots that were zapped under it. */
export function* freeObsoleteRoots(vcpu: {
  readonly kvm: Kvm;
  readonly cpu: Cpu;
  word(field: number): number;
}): Steps<void> {
  const { kvm, cpu } = vcpu;
  yield* kvm.writeLock(cpu);
  const invalid: number[] = [];
  for (let root = 0; root < kvm.config.roots.length; root++) {
    const word = vcpu.word(VCPU.roots + root);
    const sp = kvm.w[word]!;
    if (sp === 0 || !roleInvalid(spRole(kvm, sp))) continue;
    kvm.arena.put(word, 0);
    const count = spRootCount(kvm, sp) - 1;
    spPut(kvm, sp, SP.rootCount, count);
    if (count === 0) {
      invalid.push(sp);
      kvm.put(KVM.nUsed, kvm.get(KVM.nUsed) - 1);
      kvm.put(KVM.invalidRoots, kvm.get(KVM.invalidRoots) - 1);
    }
  }
  yield* commitZap(kvm, cpu, invalid);
  yield* kvm.writeUnlock(cpu);
}
