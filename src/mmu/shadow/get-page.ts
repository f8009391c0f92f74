/** Shadow pages of the fault path (kernel-facts 5.2 steps 5 and 7, A8). */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { isLarge, isShadowPresent } from '../format.ts';
import { heldHi, heldLo } from '../held-spte.ts';
import type { Kvm } from '../kvm.ts';
import { cachePop } from '../memory-cache.ts';
import type { MemSlot } from '../memslot.ts';
import { roleAccess, roleAdDisabled, roleDirect, roleLevel } from '../role.ts';
import { pteListAdd } from '../pte-list.ts';
import { dropLeaf } from '../rmap.ts';
import {
  findShadowPage,
  initShadowPage,
  parentPtesWord,
  SP_UNSYNC,
  spFlags,
  spGfn,
  spRole,
  spTable,
  spteIndex,
  sptepToSp,
  pageGetGfn,
} from '../shadow-page.ts';
import { makeNonleafSpte, spteChildSp } from '../spte.ts';
import type { Vcpu } from '../vcpu.ts';
import { countWriteTracked } from '../write-track.ts';
import { slotGfnWriteProtect } from './write-protect.ts';
import { clearSpWriteFloodingCount } from './pte-write.ts';
import { markUnsync, spUnsyncChildren } from './unsync.ts';
import { commitZap, countIndirectPage, dropParentPte, zapPages } from './zap.ts';

/** account_shadowed(): the gfn becomes read-only at every level and alias, and may not be huge (A8, Q41). */
export function* accountShadowed(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<void> {
  if (yield* slotGfnWriteProtect(kvm, cpu, slot, gfn, 1)) {
    yield* flushRemoteTlbs(kvm, cpu, 'write-protect', gfn, 1);
  }
}

/** kvm_mmu_get_shadow_page(): finds or makes the page (gfn, role) from the vCPU's caches. */
export function* getShadowPage(vcpu: Vcpu, gfn: number, role: number): Steps<number> {
  const { kvm, cpu, caches } = vcpu;
  const direct = roleDirect(role);
  const unsync: number[] = [];
  let found = findShadowPage(kvm, gfn, role, (sp) => {
    if (roleLevel(role) > 1 && (spFlags(kvm, sp) & SP_UNSYNC) !== 0) unsync.push(sp);
  });
  if (unsync.length > 0) yield* zapPages(kvm, cpu, unsync);
  if (found !== 0 && !direct) {
    if ((spFlags(kvm, found) & SP_UNSYNC) !== 0) found = yield* syncFound(vcpu, found);
    if (found !== 0) clearSpWriteFloodingCount(kvm, found);
  }
  if (found !== 0) {
    cpu.count(C.spFound);
    kvm.observer.getPage(cpu, found, false);
    return found;
  }
  const sp = cachePop(kvm, caches.header, 'mmu_page_header');
  const table = cachePop(kvm, caches.table, 'mmu_shadow_page');
  const info = direct ? 0 : cachePop(kvm, caches.shadowInfo, 'mmu_shadowed_info');
  initShadowPage(kvm, cpu, sp, table, info, gfn, role);
  if (!direct) yield* countIndirectPage(kvm, cpu, 1);
  cpu.count(C.spCreated);
  if (!direct) {
    const slot = kvm.slotOf(gfn);
    if (slot === undefined) throw new Error(`L1's table at gfn ${gfn} is in no memslot`);
    if (roleLevel(role) > 1) yield* countWriteTracked(kvm, cpu, slot, gfn, 1);
    slot.adjustDisallowLpage(gfn, 1);
    yield* kvm.engine.accountShadowed(kvm, cpu, slot, gfn);
  }
  kvm.observer.getPage(cpu, sp, true);
  return sp;
}

/** The page is good but may be stale: it is synced for this use and stays unsync. Returns 0 if it had to go. */
function* syncFound(vcpu: Vcpu, sp: number): Steps<number> {
  const { kvm, cpu } = vcpu;
  const invalid: number[] = [];
  const flush = yield* kvm.engine.syncFoundPage(vcpu, sp, invalid);
  if (flush === true) yield* flushRemoteTlbs(kvm, cpu, 'sync');
  yield* commitZap(kvm, cpu, invalid);
  return flush === undefined ? 0 : sp;
}

/** kvm_mmu_get_child_sp(): 0 stands for -EEXIST, the child that is already there is the wanted one. */
export function* getChildSp(
  vcpu: Vcpu,
  sptep: number,
  gfn: number,
  direct: boolean,
  access: number,
): Steps<number> {
  const { kvm } = vcpu;
  const role = kvm.engine.childRole(spRole(kvm, sptepToSp(kvm, sptep)), direct, access);
  const lo = heldLo(kvm, sptep);
  if (isShadowPresent(lo) && !isLarge(lo)) {
    const child = spteChildSp(kvm, lo, heldHi(kvm, sptep));
    if (child !== 0 && kvm.engine.childIsReusable(kvm, child, gfn, role)) return 0;
  }
  return yield* getShadowPage(vcpu, gfn, role);
}

/** Default of `Engine.childIsReusable`: the stricter test of the 2026 fixes (B-50, B-51). */
export function childIsReusable(kvm: Kvm, childSp: number, gfn: number, role: number): boolean {
  return spGfn(kvm, childSp) === gfn && spRole(kvm, childSp) === role;
}

/**
 * link_shadow_page() on the fault path: whatever is present goes first, with a flush (kernel-facts 3.10; faults always
 * ask for the flush).
 */
export function* linkShadowPage(vcpu: Vcpu, sptep: number, sp: number): Steps<void> {
  const { kvm, cpu, caches } = vcpu;
  const lo = heldLo(kvm, sptep);
  kvm.observer.linkBegin(cpu, sptep, sp, true);
  if (isShadowPresent(lo)) {
    const parent = sptepToSp(kvm, sptep);
    const level = roleLevel(spRole(kvm, parent));
    if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
    if (isLarge(lo)) {
      const gfn = kvm.engine.splitFlushGfn(kvm, sptep, pageGetGfn(kvm, parent, spteIndex(kvm, sptep)));
      yield* dropLeaf(kvm, cpu, sptep);
      yield* flushRemoteTlbs(kvm, cpu, 'fault', gfn, kvm.engine.splitFlushPages(kvm, level));
    } else {
      // Only a huge page leaves a gfn behind by which what was under the entry could be named.
      dropParentPte(kvm, cpu, spteChildSp(kvm, lo, heldHi(kvm, sptep)), sptep);
      yield* flushRemoteTlbs(kvm, cpu, 'fault');
    }
  }
  if (cpu.stepped && cpu.stops(Op.Store64, sptep * 2)) yield;
  kvm.assertMmuWrite(cpu, 'an SPTE');
  makeNonleafSpte(kvm, cpu, spTable(kvm, sp), roleAdDisabled(spRole(kvm, sp)));
  cpu.store64(sptep, cpu.lo, cpu.hi);
  pteListAdd(kvm, caches.desc, sptep, parentPtesWord(kvm, sp));
  // A page of level 1 was synced for this use only; pages above were synced for good before (B-31).
  if ((spFlags(kvm, sp) & SP_UNSYNC) !== 0 || spUnsyncChildren(kvm, sp) > 0)
    yield* markUnsync(kvm, cpu, sptep);
}

/** validate_direct_spte(): a direct child of another access is unlinked (kernel-facts 5.2 step 7, B-12). */
export function* validateDirectSpte(vcpu: Vcpu, sptep: number, directAccess: number): Steps<void> {
  const { kvm, cpu } = vcpu;
  const lo = heldLo(kvm, sptep);
  if (!isShadowPresent(lo) || isLarge(lo)) return;
  const child = spteChildSp(kvm, lo, heldHi(kvm, sptep));
  if (roleAccess(spRole(kvm, child)) === directAccess) return;
  if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
  dropParentPte(kvm, cpu, child, sptep);
  const level = roleLevel(spRole(kvm, sptepToSp(kvm, sptep)));
  yield* flushRemoteTlbs(kvm, cpu, 'fault', spGfn(kvm, child), kvm.engine.directChildFlushPages(kvm, level));
}
