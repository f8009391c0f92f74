/** Bringing unsync pages up to date with L1's tables (kernel-facts A6, B-31, B-35). */
import { C } from '../../cpu/counters.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { markPageDirty } from '../dirty-log.ts';
import { EINTR } from '../errno.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { ACC_WRITE, isHostWritable, isWritable, sptePfn } from '../format.ts';
import { heldHi, heldLo } from '../held-spte.ts';
import type { Kvm } from '../kvm.ts';
import { KVM_MEM_LOG_DIRTY_PAGES } from '../memslot.ts';
import { clearMmioSpte, isMmioSpte, mmioSpteGfn } from '../mmio-spte.ts';
import { needResched, rwlockNeedbreak, yieldMmuLock } from '../resched.ts';
import { roleAccess, roleAdDisabled, roleDirect, roleGuestMode, SYNC_ROLE_IGN } from '../role.ts';
import { dropLeaf, mmuSpteUpdate } from '../rmap.ts';
import { pageGetGfn, pageSetAccess, SP, spGfn, spRole, sptepOf } from '../shadow-page.ts';
import { makeSpte } from '../spte.ts';
import { REQ_MMU_SYNC, VCPU } from '../vcpu-words.ts';
import type { Vcpu } from '../vcpu.ts';
import { unlinkUnsyncPage, UnsyncPages } from './unsync.ts';
import { gpteAccess, gpteQ, isPresentGpte, protectCleanGpte } from './walk-addr.ts';
import { slotGfnWriteProtect } from './write-protect.ts';
import { commitZap, prepareZap } from './zap.ts';

/** kvm_mmu_remote_flush_or_zap(): pages are freed behind a flush, else the flush alone if one is owed. */
export function* remoteFlushOrZap(kvm: Kvm, cpu: Cpu, invalid: number[], flush: boolean): Steps<void> {
  if (invalid.length > 0) yield* commitZap(kvm, cpu, invalid);
  else if (flush) yield* flushRemoteTlbs(kvm, cpu, 'sync');
}

/**
 * kvm_sync_page(). A page that this MMU cannot sync is zapped.
 * @returns true if a flush is owed; undefined if the page was added to `invalid`
 */
export function* kvmSyncPage(vcpu: Vcpu, sp: number, invalid: number[]): Steps<boolean | undefined> {
  const { kvm, cpu } = vcpu;
  const role = spRole(kvm, sp);
  if (roleDirect(role) || ((role ^ spRole(kvm, vcpu.rootSp)) & ~SYNC_ROLE_IGN) !== 0) {
    yield* prepareZap(kvm, cpu, sp, invalid);
    return undefined;
  }
  cpu.count(C.syncedPages);
  return yield* syncPage(vcpu, sp);
}

/**
 * FNAME(sync_page): each entry that is not empty is dropped if L1's entry no longer maps that gfn, else takes over its
 * permissions. A flush is owed for KVM's own sake only: L1 must flush for its changes to count.
 */
function* syncPage(vcpu: Vcpu, sp: number): Steps<boolean> {
  const { kvm, cpu } = vcpu;
  const f = kvm.format;
  const pageAccess = roleAccess(spRole(kvm, sp));
  let flush = false;
  for (let index = 0; index < kvm.entries; index++) {
    const sptep = sptepOf(kvm, sp, index);
    if (heldLo(kvm, sptep) === 0 && heldHi(kvm, sptep) === 0) continue;
    const q = gpteQ(kvm, spGfn(kvm, sp), index);
    if (cpu.stepped && cpu.stops(Op.Load64, q * 2)) yield;
    cpu.load64(q);
    const { lo, hi } = cpu;
    // prefetch_invalid_gpte(): not present, or L1 has taken A away.
    const invalid = !isPresentGpte(f, lo) || (kvm.config.l1AdBits && (lo & f.accessedLo) === 0);
    const gfn = sptePfn(lo, hi);
    const access = protectCleanGpte(kvm, gpteAccess(f, lo, hi) & pageAccess, lo);
    const mmio = isMmioSpte(f, heldLo(kvm, sptep), heldHi(kvm, sptep));
    if (mmio && !invalid) {
      // sync_mmio_spte()
      if (gfn !== mmioSpteGfn(heldLo(kvm, sptep), heldHi(kvm, sptep))) yield* clearMmioSpte(cpu, sptep);
    } else if (invalid || kvm.engine.syncDropsSpte(kvm, access, gfn, pageGetGfn(kvm, sp, index))) {
      if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
      yield* dropLeaf(kvm, cpu, sptep);
      flush = true;
    } else if (yield* syncSpte(vcpu, sp, index, sptep, gfn, access)) flush = true;
  }
  return flush;
}

/** Default of `Engine.syncDropsSpte`: nothing is left to permit (B-35), or another page. */
export function syncDropsSpte(kvm: Kvm, access: number, gfn: number, mapped: number): boolean {
  return (access === 0 && kvm.format.presentLo === 0) || gfn !== mapped;
}

/** The rest of FNAME(sync_page) for an entry that stays; true if a flush is owed. */
function* syncSpte(
  vcpu: Vcpu,
  sp: number,
  index: number,
  sptep: number,
  gfn: number,
  access: number,
): Steps<boolean> {
  const { kvm, cpu } = vcpu;
  const { format: f } = kvm;
  const slot = kvm.slotOf(gfn);
  if (cpu.stepped && cpu.stops(Op.Load64, sptep * 2)) yield;
  cpu.load64(sptep);
  const { lo: oldLo, hi: oldHi } = cpu;
  if (slot === undefined) return false;
  pageSetAccess(kvm, sp, index, access);
  const hostWritable = isHostWritable(f, oldLo, oldHi);
  const asksWrite = (access & ACC_WRITE) !== 0 && hostWritable && !isWritable(oldLo);
  const role = spRole(kvm, sp);
  const writeProtected =
    asksWrite && (yield* kvm.engine.mmuTryToUnsyncPages(kvm, cpu, slot, gfn, false, true));
  makeSpte(kvm, cpu, {
    level: 1,
    pfn: sptePfn(oldLo, oldHi),
    access,
    hostWritable,
    prefetch: true,
    adDisabled: roleAdDisabled(role),
    guestMode: roleGuestMode(role),
    oldLo,
    writeProtected,
  });
  const { lo, hi } = cpu;
  if (isWritable(lo)) {
    // Under mmu_lock the flag is enough: who turns logging on write-protects after publishing it (3.2).
    if (cpu.stepped && cpu.stops(Op.Load, slot.flagsWord)) yield;
    if ((cpu.load(slot.flagsWord) & KVM_MEM_LOG_DIRTY_PAGES) !== 0) {
      yield* markPageDirty(kvm, cpu, slot, gfn);
    }
  }
  if (oldLo === lo && oldHi === hi) return false;
  if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
  return mmuSpteUpdate(kvm, cpu, sptep, lo, hi);
}

/**
 * mmu_sync_children(): write-protects and syncs everything unsync below `parent`, batch by batch; mmu_lock is held for
 * write.
 * @returns 0, or EINTR if it may not yield and somebody wants the lock: some pages are done
 */
export function* mmuSyncChildren(vcpu: Vcpu, parent: number, canYield: boolean): Steps<number> {
  const { kvm, cpu } = vcpu;
  const pages = new UnsyncPages(kvm, cpu);
  const invalid: number[] = [];
  let flush = false;
  while (yield* pages.walk(parent)) {
    let isProtected = false;
    for (let sp = pages.first(); sp !== 0; sp = pages.next()) {
      const gfn = spGfn(kvm, sp);
      const slot = kvm.slotOf(gfn);
      if (slot !== undefined && (yield* slotGfnWriteProtect(kvm, cpu, slot, gfn, 1))) isProtected = true;
    }
    // Before the entries are read: a write that was let through must not come after that.
    if (isProtected) {
      yield* remoteFlushOrZap(kvm, cpu, invalid, true);
      flush = false;
    }
    for (let sp = pages.first(); sp !== 0; sp = pages.next()) {
      unlinkUnsyncPage(kvm, sp);
      if ((yield* kvmSyncPage(vcpu, sp, invalid)) === true) flush = true;
      yield* pages.clearParents();
    }
    if (kvm.needbreakVisible && cpu.stepped && cpu.stops(Op.Load, kvm.mmuLock.waitLock)) yield;
    const contended = rwlockNeedbreak(kvm, cpu);
    if (!needResched(kvm, cpu) && !contended) continue;
    yield* remoteFlushOrZap(kvm, cpu, invalid, flush);
    flush = false;
    if (!canYield) {
      const requests = vcpu.word(VCPU.requests);
      if (cpu.stepped && cpu.stops(Op.Or, requests)) yield;
      cpu.or(requests, REQ_MMU_SYNC);
      return EINTR;
    }
    yield* yieldMmuLock(kvm, cpu);
  }
  yield* remoteFlushOrZap(kvm, cpu, invalid, flush);
  return 0;
}

/** kvm_mmu_sync_roots(): after a root was loaded, or on REQ_MMU_SYNC; mmu_lock is not held. */
export function* kvmMmuSyncRoots(vcpu: Vcpu): Steps<void> {
  const { kvm, cpu } = vcpu;
  const sp = vcpu.rootSp;
  if (sp === 0 || roleDirect(spRole(kvm, sp))) return;
  // is_unsync_root()
  const children = kvm.header(sp) + SP.unsyncChildren;
  if (cpu.stepped && cpu.stops(Op.Load, children)) yield;
  if (cpu.load(children) === 0) return;
  yield* kvm.writeLock(cpu);
  yield* mmuSyncChildren(vcpu, sp, true);
  yield* kvm.writeUnlock(cpu);
}
