/** FNAME(pte_prefetch): neighbours of a 4 KiB leaf are mapped too (kernel-facts 5.2 step 9). */
import { Op, type Steps } from '../../cpu/steps.ts';
import { ACC_WRITE, isShadowPresent, sptePfn } from '../format.ts';
import { prefetchAllowed } from '../host/faultin.ts';
import { heldLo } from '../held-spte.ts';
import { KVM } from '../kvm.ts';
import { roleAccess, roleDirect, roleLevel } from '../role.ts';
import { pageGetGfn, spGfn, spRole, spteIndex, sptepOf, sptepToSp } from '../shadow-page.ts';
import type { Vcpu } from '../vcpu.ts';
import { setSpte, type Fault } from './set-spte.ts';
import { gpteAccess, gpteQ, isPresentGpte, protectCleanGpte } from './walk-addr.ts';

/** PTE_PREFETCH_NUM (kernel-facts 2.2). */
const PTE_PREFETCH_NUM = 8;

export function* prefetch(vcpu: Vcpu, fault: Fault, sptep: number): Steps<void> {
  const { kvm } = vcpu;
  const sp = sptepToSp(kvm, sptep);
  const role = spRole(kvm, sp);
  if (roleLevel(role) > 1 || kvm.get(KVM.invalidateInProgress) !== 0) return;
  const window = Math.min(PTE_PREFETCH_NUM, kvm.entries);
  const own = spteIndex(kvm, sptep);
  const first = own & ~(window - 1);
  if (roleDirect(role)) yield* prefetchDirect(vcpu, fault, sp, own, first, window);
  else yield* prefetchIndirect(vcpu, fault, sp, own, first, window);
}

/**
 * gfn_to_memslot_dirty_bitmap(): a slot that is being logged takes no writable prefetch.
 * The fault's own snapshot of the flags serves: a prefetch stays within the slot of the fault.
 */
const slotRefuses = (fault: Fault, gfn: number, access: number): boolean =>
  gfn < fault.slot.baseGfn ||
  gfn >= fault.slot.baseGfn + fault.slot.npages ||
  (fault.logged && (access & ACC_WRITE) !== 0);

/** __direct_pte_prefetch(). */
function* prefetchDirect(
  vcpu: Vcpu,
  fault: Fault,
  sp: number,
  own: number,
  first: number,
  window: number,
): Steps<void> {
  const { kvm, cpu } = vcpu;
  const access = roleAccess(spRole(kvm, sp));
  for (let index = first; index < first + window; index++) {
    const sptep = sptepOf(kvm, sp, index);
    if (index === own || isShadowPresent(heldLo(kvm, sptep))) continue;
    const gfn = pageGetGfn(kvm, sp, index);
    if (slotRefuses(fault, gfn, access) || !(yield* prefetchAllowed(cpu, fault.slot, gfn))) return;
    yield* setSpte(vcpu, fault, sptep, access, gfn, true);
  }
}

/**
 * FNAME(pte_prefetch) with FNAME(prefetch_gpte) for an indirect table.
 *
 * An entry that L1 leaves nothing but X, in a table below one without X, is present for prefetch_invalid_gpte(), and nothing is left to
 * permit: KVM installs an SPTE with R, W and X clear all the same. 9fb3565743d5 (B-35) taught FNAME(sync_page) to drop such an SPTE and
 * make_spte() to WARN of one, and left this way in alone; read in the source from 6.0 on. It is useless and harmless: hardware takes it for not
 * present, and L1 answers the violation.
 */
function* prefetchIndirect(
  vcpu: Vcpu,
  fault: Fault,
  sp: number,
  own: number,
  first: number,
  window: number,
): Steps<void> {
  const { kvm, cpu } = vcpu;
  const f = kvm.format;
  for (let index = first; index < first + window; index++) {
    const sptep = sptepOf(kvm, sp, index);
    if (index === own || isShadowPresent(heldLo(kvm, sptep))) continue;
    const q = gpteQ(kvm, spGfn(kvm, sp), index);
    if (cpu.stepped && cpu.stops(Op.Load64, q * 2)) yield;
    cpu.load64(q);
    const { lo, hi } = cpu;
    // prefetch_invalid_gpte(): not present, or never accessed by the guest.
    if (!isPresentGpte(f, lo) || (kvm.config.l1AdBits && (lo & f.accessedLo) === 0)) continue;
    const access = protectCleanGpte(kvm, gpteAccess(f, lo, hi) & roleAccess(spRole(kvm, sp)), lo);
    const gfn = sptePfn(lo, hi);
    if (slotRefuses(fault, gfn, access) || !(yield* prefetchAllowed(cpu, fault.slot, gfn))) return;
    yield* setSpte(vcpu, fault, sptep, access, gfn, true);
  }
}
