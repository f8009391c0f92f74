/**
 * Roots of the TDP MMU: shared by vCPUs of the same role, counted, listed, and zapped when the last reference goes
 * (kernel-facts 4.1, 4.5, Q39, B-30).
 *
 * The list is read inside RCU and changed under tdp_mmu_pages_lock. A count of 0 is final, but for the thread that took it
 * there: it marks the root invalid and leaves its reference to a work item that zaps the root (tdp_mmu_zap_wq, 5.18 to
 * 6.3). Zapping yields, and whoever put the root may hold mmu_lock with a flush still owed (D20). There is no kworker here:
 * a thread that holds no mmu_lock makes the work, whoever comes first, and zapAllFast waits until all of it is done.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { spinLock, spinUnlock } from '../../locks/spinlock.ts';
import { KernelBug } from '../bug.ts';
import { ACC_ALL } from '../format.ts';
import { KVM, type Kvm } from '../kvm.ts';
import { makeRole, ROLE_INVALID, roleInvalid } from '../role.ts';
import { SP, SP_TDP_ZAP, spPut, spRole } from '../shadow-page.ts';
import type { Vcpu } from '../vcpu.ts';
import { tdpMmuAllocSp, tdpMmuInitSp } from './pages.ts';
import { rcuDrain, rcuReadLock, rcuReadUnlock, tdpPagesLock } from './rcu.ts';
import { tdpMmuZapRoot } from './zap-root.ts';

/** kvm_calc_tdp_mmu_root_page_role(): the role of EPT01's root, without as_id: there is no SMM here. */
export const tdpRootRole = (kvm: Kvm): number =>
  makeRole({
    level: kvm.config.tdpRootLevel,
    direct: true,
    access: ACC_ALL,
    efer_nx: true,
    cr0_wp: true,
    ad_disabled: !kvm.config.hostAdBits,
    guest_mode: false,
  });

const countWord = (kvm: Kvm, root: number): number => kvm.header(root) + SP.rootCount;

/** kvm_tdp_mmu_get_root(): a further reference, unless the last one is gone. */
export function* tdpMmuGetRoot(kvm: Kvm, cpu: Cpu, root: number): Steps<boolean> {
  const word = countWord(kvm, root);
  if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
  let seen = cpu.load(word);
  while (seen !== 0) {
    if (cpu.stepped && cpu.stops(Op.CompareExchange, word)) yield;
    const now = cpu.compareExchange(word, seen, seen + 1);
    if (now === seen) return true;
    seen = now;
  }
  return false;
}

/**
 * kvm_tdp_mmu_put_root(): drops a reference; with the last one a valid root is invalid and scheduled for its zap, and one
 * that was zapped goes. mmu_lock is held, for read at least, and not dropped.
 */
export function* tdpMmuPutRoot(kvm: Kvm, cpu: Cpu, root: number): Steps<void> {
  const word = countWord(kvm, root);
  if (cpu.stepped && cpu.stops(Op.Add, word)) yield;
  const before = cpu.add(word, -1);
  if (before <= 0)
    throw new KernelBug('Q39', `root ${root} of the TDP MMU lost a reference it did not have`, [word]);
  if (before > 1) return;
  const role = kvm.header(root) + SP.role;
  if (cpu.stepped && cpu.stops(Op.Or, role)) yield;
  if (roleInvalid(cpu.or(role, ROLE_INVALID))) {
    yield* unlinkRoot(kvm, cpu, root);
    yield* kvm.engine.callRcu(kvm, cpu, root);
    return;
  }
  // Nobody can take a reference from 0; from 1, which is that of the work item, they may.
  if (cpu.stepped && cpu.stops(Op.Store, word)) yield;
  cpu.store(word, 1);
  yield* scheduleZapRoot(kvm, cpu, root);
}

/** KVM.tdpZapWork: how many roots are scheduled or at work, and above that how many ever were. */
const ZAP_WORK_TICKET = 0x10000;
export const zapWorkLeft = (work: number): number => work & (ZAP_WORK_TICKET - 1);

/** tdp_mmu_schedule_zap_root(): the root, which is invalid, is zapped by and by; a reference to it is handed over. */
function* scheduleZapRoot(kvm: Kvm, cpu: Cpu, root: number): Steps<void> {
  const work = kvm.base + KVM.tdpZapWork;
  if (cpu.stepped && cpu.stops(Op.Add, work)) yield;
  cpu.add(work, 1);
  const flags = kvm.header(root) + SP.flags;
  if (cpu.stepped && cpu.stops(Op.Or, flags)) yield;
  cpu.or(flags, SP_TDP_ZAP);
  // Whoever looked before that finds the word changed, and looks again.
  if (cpu.stepped && cpu.stops(Op.Add, work)) yield;
  cpu.add(work, ZAP_WORK_TICKET);
  cpu.notify(work);
}

/** list_del_rcu(): readers that stand on the root still find the one behind it. */
function* unlinkRoot(kvm: Kvm, cpu: Cpu, root: number): Steps<void> {
  yield* spinLock(cpu, tdpPagesLock(kvm), kvm.observer);
  let at = kvm.base + KVM.tdpRoots;
  while (kvm.w[at] !== root) {
    if (kvm.w[at] === 0) throw new KernelBug('Q39', `root ${root} of the TDP MMU is not on the list`, [at]);
    at = kvm.header(kvm.w[at]!) + SP.linkNext;
  }
  if (cpu.stepped && cpu.stops(Op.Store, at)) yield;
  cpu.store(at, kvm.w[kvm.header(root) + SP.linkNext]!);
  yield* spinUnlock(cpu, tdpPagesLock(kvm), kvm.observer);
}

/**
 * tdp_mmu_next_root(): the yield-safe iteration over roots. The root returned is referenced; the one before, `prev`, is put.
 *
 *     for (let root = yield* next(kvm, cpu, 0, ...); root !== 0; root = yield* next(kvm, cpu, root, ...))
 *
 * Who leaves the loop early puts the root himself.
 * @param prev the root returned last, 0 to begin
 * @param onlyValid leave out roots that were invalidated but are still in use
 */
export function* tdpMmuNextRoot(kvm: Kvm, cpu: Cpu, prev: number, onlyValid: boolean): Steps<number> {
  yield* rcuReadLock(kvm, cpu);
  let at = prev === 0 ? kvm.base + KVM.tdpRoots : kvm.header(prev) + SP.linkNext;
  let next = 0;
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, at)) yield;
    next = cpu.load(at);
    if (next === 0) break;
    if (onlyValid) {
      const role = kvm.header(next) + SP.role;
      if (cpu.stepped && cpu.stops(Op.Load, role)) yield;
      if (roleInvalid(cpu.load(role))) {
        at = kvm.header(next) + SP.linkNext;
        continue;
      }
    }
    if (yield* tdpMmuGetRoot(kvm, cpu, next)) break;
    at = kvm.header(next) + SP.linkNext;
  }
  yield* rcuReadUnlock(kvm, cpu);
  if (prev !== 0) yield* tdpMmuPutRoot(kvm, cpu, prev);
  return next;
}

/**
 * kvm_tdp_mmu_get_vcpu_root_hpa(): the valid root of the vCPU's role, or a new one from its caches; a reference is the
 * caller's. mmu_lock is held for write.
 */
export function* tdpMmuGetVcpuRoot(vcpu: Vcpu): Steps<number> {
  const { kvm, cpu } = vcpu;
  kvm.assertMmuWrite(cpu, 'the list of TDP roots');
  const role = tdpRootRole(kvm);
  for (let root = kvm.get(KVM.tdpRoots); root !== 0; root = kvm.w[kvm.header(root) + SP.linkNext]!) {
    if (spRole(kvm, root) === role && (yield* tdpMmuGetRoot(kvm, cpu, root))) return root;
  }
  const root = tdpMmuAllocSp(vcpu);
  tdpMmuInitSp(kvm, cpu, root, 0, 0, role);
  // One for the vCPU; one is the TDP MMU's own, so that a root outlives its vCPUs until it is invalidated (edbdb43fc96b).
  spPut(kvm, root, SP.rootCount, kvm.engine.tdpRootsPersist ? 2 : 1);
  yield* spinLock(cpu, tdpPagesLock(kvm), kvm.observer);
  spPut(kvm, root, SP.linkNext, kvm.get(KVM.tdpRoots));
  if (cpu.stepped && cpu.stops(Op.Store, kvm.base + KVM.tdpRoots)) yield;
  cpu.store(kvm.base + KVM.tdpRoots, root);
  yield* spinUnlock(cpu, tdpPagesLock(kvm), kvm.observer);
  kvm.observer.getPage(cpu, root, true);
  return root;
}

/**
 * kvm_tdp_mmu_invalidate_all_roots(): no fault uses them any more; each keeps a reference until tdpZapInvalidatedRoots.
 * mmu_lock is held for write.
 */
export function* tdpInvalidateAllRoots(kvm: Kvm, cpu: Cpu): Steps<void> {
  kvm.assertMmuWrite(cpu, 'the validity of TDP roots');
  for (let root = kvm.get(KVM.tdpRoots); root !== 0; root = kvm.w[kvm.header(root) + SP.linkNext]!) {
    if (roleInvalid(spRole(kvm, root))) continue;
    // The reference of the TDP MMU becomes that of whoever zaps the root.
    if (!kvm.engine.tdpRootsPersist && !(yield* tdpMmuGetRoot(kvm, cpu, root))) continue;
    const role = kvm.header(root) + SP.role;
    if (cpu.stepped && cpu.stops(Op.Or, role)) yield;
    cpu.or(role, ROLE_INVALID);
    yield* scheduleZapRoot(kvm, cpu, root);
  }
}

/**
 * The work items of tdp_mmu_zap_wq: zaps every root that is scheduled and that nobody else has begun with. Takes mmu_lock
 * for read itself. A root stays on the list until it is zapped, so that notifiers still find it (B-30).
 */
export function* tdpRunZapWork(kvm: Kvm, cpu: Cpu): Steps<void> {
  const work = kvm.base + KVM.tdpZapWork;
  if (cpu.stepped && cpu.stops(Op.Load, work)) yield;
  if (zapWorkLeft(cpu.load(work)) === 0) return;
  yield* kvm.readLock(cpu);
  for (
    let root = yield* tdpMmuNextRoot(kvm, cpu, 0, false);
    root !== 0;
    root = yield* tdpMmuNextRoot(kvm, cpu, root, false)
  ) {
    const flags = kvm.header(root) + SP.flags;
    if (cpu.stepped && cpu.stops(Op.And, flags)) yield;
    if ((cpu.and(flags, ~SP_TDP_ZAP) & SP_TDP_ZAP) === 0) continue;
    yield* tdpMmuZapRoot(kvm, cpu, root, true);
    yield* tdpMmuPutRoot(kvm, cpu, root);
    if (cpu.stepped && cpu.stops(Op.Add, work)) yield;
    cpu.add(work, -1);
    cpu.notify(work);
  }
  yield* kvm.readUnlock(cpu);
  yield* rcuDrain(kvm, cpu);
}

/**
 * kvm_tdp_mmu_zap_invalidated_roots(): returns when all roots that were scheduled are zapped, by this thread or another. The
 * caller holds slots_lock, and no mmu_lock.
 */
export function* tdpZapInvalidatedRoots(kvm: Kvm, cpu: Cpu): Steps<void> {
  if (kvm.config.l1Vcpus === 0) return;
  const work = kvm.base + KVM.tdpZapWork;
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, work)) yield;
    const seen = cpu.load(work);
    if (zapWorkLeft(seen) === 0) return;
    yield* tdpRunZapWork(kvm, cpu);
    // If that has changed nothing somebody else is at work on what is left.
    if (cpu.stepped && cpu.stops(Op.Wait, work, seen)) yield;
    cpu.wait(work, seen);
  }
}

/** kvm_mmu_uninit_tdp_mmu(): no vCPU has a root any more, and the TDP MMU lets go of its own reference to each. */
export function* kvmMmuUninitTdpMmu(kvm: Kvm, cpu: Cpu): Steps<void> {
  if (kvm.config.l1Vcpus === 0) return;
  yield* kvm.writeLock(cpu);
  yield* tdpInvalidateAllRoots(kvm, cpu);
  yield* kvm.writeUnlock(cpu);
  yield* tdpZapInvalidatedRoots(kvm, cpu);
}

/** All roots on the list, newest first. */
export function tdpRoots(kvm: Kvm): number[] {
  const roots: number[] = [];
  for (let root = kvm.get(KVM.tdpRoots); root !== 0; root = kvm.w[kvm.header(root) + SP.linkNext]!) {
    roots.push(root);
  }
  return roots;
}
