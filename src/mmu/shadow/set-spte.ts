/** mmu_set_spte(): installing a leaf (kernel-facts 5.2 step 8). */
import { Op, type Steps } from '../../cpu/steps.ts';
import { C } from '../../cpu/counters.ts';
import { markPageDirty } from '../dirty-log.ts';
import { RET_PF_EMULATE, RET_PF_FIXED, RET_PF_SPURIOUS } from '../errno.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { ACC_WRITE, isLarge, isShadowPresent, isWritable, sptePfn } from '../format.ts';
import { heldHi, heldLo } from '../held-spte.ts';
import type { MemSlot } from '../memslot.ts';
import { dropLeaf, mmuSpteUpdate, mustRecycle, rmapAdd } from '../rmap.ts';
import { rmapLock, rmapUnlock } from '../rmap-lock.ts';
import { roleAdDisabled, roleGuestMode, roleLevel } from '../role.ts';
import { pageSetAccess, pageSetTranslation, spRole, spteIndex, sptepToSp } from '../shadow-page.ts';
import { makeSpte, spteChildSp } from '../spte.ts';
import type { Vcpu } from '../vcpu.ts';
import { recycleRmap } from './recycle.ts';
import { dropParentPte } from './zap.ts';

/** struct kvm_page_fault. */
export interface Fault {
  readonly l2Gfn: number;
  readonly access: number;
  readonly write: boolean;
  readonly exec: boolean;
  readonly slot: MemSlot;
  /** The slot was dirty-tracked when the fault looked it up. */
  readonly logged: boolean;
  readonly gfn: number;
  readonly maxLevel: number;
  reqLevel: number;
  goalLevel: number;
  hugePageDisallowed: boolean;
  /** No memslot has the gfn: the access is MMIO, and `slot`, `pfn` and what comes from them mean nothing. */
  readonly noslot: boolean;
  /** mmu_invalidate_seq before the host was asked. */
  seq: number;
  /** The frame behind `gfn` as the host mapped it after `seq` was read, and whether it may be written (5.2 step 3). */
  pfn: number;
  hostWritable: boolean;
}

/**
 * Installs a leaf for `baseGfn` at `sptep`; `prefetched` leaves A clear and never answers for the fault.
 * @returns RET_PF_FIXED, RET_PF_SPURIOUS or RET_PF_EMULATE
 */
export function* setSpte(
  vcpu: Vcpu,
  fault: Fault,
  sptep: number,
  access: number,
  baseGfn: number,
  prefetched: boolean,
): Steps<number> {
  const { kvm, cpu, caches } = vcpu;
  const { slot } = fault;
  const role = spRole(kvm, sptepToSp(kvm, sptep));
  const level = roleLevel(role);
  // A prefetch looks its frames up under mmu_lock, with no invalidation in progress.
  const pfn = prefetched ? slot.pfn(baseGfn) : fault.pfn - (fault.gfn - baseGfn);
  const word = sptep * 2;
  let oldLo = heldLo(kvm, sptep);
  let flush = false;
  let wasRmapped = false;
  if (isShadowPresent(oldLo)) {
    const oldHi = heldHi(kvm, sptep);
    if (level > 1 && !isLarge(oldLo)) {
      if (cpu.stepped && cpu.stops(Op.Exchange64, word)) yield;
      dropParentPte(kvm, cpu, spteChildSp(kvm, oldLo, oldHi), sptep);
      flush = true;
    } else if (sptePfn(oldLo, oldHi) !== pfn) {
      if (cpu.stepped && cpu.stops(Op.Exchange64, word)) yield;
      yield* dropLeaf(kvm, cpu, sptep);
      flush = true;
    } else wasRmapped = true;
  }
  if (wasRmapped) {
    if (cpu.stepped && cpu.stops(Op.Load64, word)) yield;
    cpu.load64(sptep);
    oldLo = cpu.lo;
  } else oldLo = 0;
  const hostWritable = prefetched ? slot.hostWritable(baseGfn) : fault.hostWritable;
  // make_spte() asks only where it is about to set W anew.
  const asksWrite = (access & ACC_WRITE) !== 0 && hostWritable && !isWritable(oldLo);
  const writeProtected =
    asksWrite && (yield* kvm.engine.mmuTryToUnsyncPages(kvm, cpu, slot, baseGfn, true, prefetched));
  const wrprot = makeSpte(kvm, cpu, {
    level,
    pfn,
    access,
    hostWritable,
    prefetch: prefetched,
    adDisabled: roleAdDisabled(role),
    guestMode: roleGuestMode(role),
    oldLo,
    writeProtected,
  });
  const { lo, hi } = cpu;
  // KVM marks the page before W can be seen, in the same write section (Q44, D19).
  if (fault.logged && isWritable(lo)) yield* markPageDirty(kvm, cpu, slot, baseGfn);

  let result = RET_PF_FIXED;
  if (wasRmapped) {
    // A and D may be set by hardware in the meantime; the exchange sees them.
    if (cpu.stepped && cpu.stops(Op.Load64, word)) yield;
    cpu.load64(sptep);
    if (cpu.lo === lo && cpu.hi === hi) result = RET_PF_SPURIOUS;
    else {
      if (cpu.stepped && cpu.stops(Op.Exchange64, word)) yield;
      if (mmuSpteUpdate(kvm, cpu, sptep, lo, hi)) flush = true;
      kvm.observer.spteSet(cpu, sptep, baseGfn, level, lo, hi);
    }
  } else {
    kvm.assertMmuWrite(cpu, 'an SPTE');
    // As rmapAdd() below does; a backend that goes by L1's gfn must find it as soon as hardware can use the entry.
    if (kvm.config.flushBackend === 'range-l2') {
      pageSetTranslation(kvm, sptepToSp(kvm, sptep), spteIndex(kvm, sptep), baseGfn, access);
    }
    if (cpu.stepped && cpu.stops(Op.Store64, word)) yield;
    cpu.store64(sptep, lo, hi);
    kvm.observer.spteSet(cpu, sptep, baseGfn, level, lo, hi);
  }
  if (wrprot && fault.write && !prefetched) result = RET_PF_EMULATE;
  if (flush) yield* flushRemoteTlbs(kvm, cpu, 'fault', baseGfn, kvm.engine.faultFlushPages(kvm, level));
  let before = 0;
  if (wasRmapped) pageSetAccess(kvm, sptepToSp(kvm, sptep), spteIndex(kvm, sptep), access);
  else {
    const head = slot.rmapWord(baseGfn, level);
    if (kvm.engine.locksRmaps) yield* rmapLock(kvm, cpu, head);
    before = rmapAdd(kvm, cpu, caches.desc, slot, sptep, baseGfn, access);
    if (kvm.engine.locksRmaps) yield* rmapUnlock(kvm, cpu, head);
  }
  kvm.observer.installed(cpu, vcpu.rootSp, sptep, fault.seq);
  if (mustRecycle(kvm, cpu, before)) {
    yield* recycleRmap(kvm, cpu, slot, sptepToSp(kvm, sptep), baseGfn, level);
  }
  if (prefetched) cpu.count(C.prefetched);
  return result;
}
