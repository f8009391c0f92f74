/** Zapping what could be mapped larger once logging is off (kernel-facts A17, 6.1). */
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../config.ts';
import { flushRemoteTlbs } from '../flush.ts';
import type { Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import { RmapIterator } from '../pte-list.ts';
import { roleDirect, roleLevel } from '../role.ts';
import { dropLeaf } from '../rmap.ts';
import { spGfn, spRole, sptepToSp } from '../shadow-page.ts';
import { slotHandleLevel } from './walker.ts';

/**
 * Default of `Engine.collapsibleLevel`: what slot and host allow where the page begins. A direct page may begin below its slot,
 * where there is no lpage_info to look at (ef057cbf825e, B-49): it cannot be mapped by a larger one.
 */
export function collapsibleLevel(kvm: Kvm, slot: MemSlot, sp: number): number {
  const gfn = spGfn(kvm, sp);
  return gfn < slot.baseGfn ? 1 : slot.maxMappingLevel(gfn, KVM_MAX_HUGEPAGE_LEVEL);
}

/** kvm_mmu_zap_collapsible_spte(): leaves of direct pages below the level that slot and host allow. */
export function* zapCollapsibleSptes(kvm: Kvm, cpu: Cpu, slot: MemSlot, head: number): Steps<boolean> {
  const iterator = new RmapIterator();
  let flush = false;
  for (let sptep = iterator.first(kvm, head, cpu.mmuReleases); sptep !== 0;) {
    const sp = sptepToSp(kvm, sptep);
    const role = spRole(kvm, sp);
    if (!roleDirect(role) || roleLevel(role) >= kvm.engine.collapsibleLevel(kvm, slot, sp)) {
      sptep = iterator.next(kvm);
      continue;
    }
    if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
    yield* dropLeaf(kvm, cpu, sptep);
    flush = true;
    sptep = iterator.first(kvm, head, cpu.mmuReleases);
  }
  return flush;
}

/** kvm_mmu_zap_collapsible_sptes(), the shadow part: 4K and 2M rmaps, then one flush under the lock. */
export function* slotZapCollapsible(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void> {
  if (!kvm.haveRmaps) return;
  yield* kvm.writeLock(cpu);
  let flush = false;
  const handler = (head: number): Steps<boolean> => zapCollapsibleSptes(kvm, cpu, slot, head);
  for (let level = 1; level < KVM_MAX_HUGEPAGE_LEVEL; level++) {
    const end = slot.baseGfn + slot.npages;
    flush = yield* slotHandleLevel(kvm, cpu, slot, slot.baseGfn, end, level, handler, true, flush, 'log-off');
  }
  if (kvm.engine.collapsibleFlushes(flush)) {
    yield* flushRemoteTlbs(kvm, cpu, 'log-off', slot.baseGfn, slot.npages);
  }
  yield* kvm.writeUnlock(cpu);
}
