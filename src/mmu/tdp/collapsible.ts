/** What the TDP MMU does with small pages once logging is off (kernel-facts A17, 3.13). */
import type { Cpu } from '../../cpu/cpu.ts';
import type { Steps } from '../../cpu/steps.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../config.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { isLastSpte, isShadowPresent, SPTE_PS } from '../format.ts';
import type { Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import { makeSpteNonexec, spteChildSp } from '../spte.ts';
import { TdpIter, tdpMmuIterCondResched } from './iter.ts';
import { rcuDrain, rcuReadLock, rcuReadUnlock } from './rcu.ts';
import { tdpMmuNextRoot } from './roots.ts';
import { tdpMmuSetSpteAtomic, tdpMmuZapSpteAtomic } from './set-spte.ts';

/** The TDP part of turning logging off, under the read lock. */
export function* tdpCollapseSlot(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void> {
  yield* kvm.readLock(cpu);
  for (
    let root = yield* tdpMmuNextRoot(kvm, cpu, 0, true);
    root !== 0;
    root = yield* tdpMmuNextRoot(kvm, cpu, root, true)
  ) {
    yield* kvm.engine.tdpCollapseRange(kvm, cpu, root, slot);
  }
  yield* kvm.readUnlock(cpu);
  yield* rcuDrain(kvm, cpu);
}

/** True if the entry points to a table whose gfns slot and host would let one huge page map. */
function isCollapsible(slot: MemSlot, { lo, level, gfn }: TdpIter): boolean {
  if (level > KVM_MAX_HUGEPAGE_LEVEL || !isShadowPresent(lo) || isLastSpte(lo, level)) return false;
  if (gfn < slot.baseGfn || gfn >= slot.baseGfn + slot.npages) return false;
  return slot.maxMappingLevel(gfn, KVM_MAX_HUGEPAGE_LEVEL) >= level;
}

/** Default of `Engine.tdpCollapseRange`: zap_collapsible_spte_range() of 6.1. Every table that goes is flushed for. */
export function* tdpZapCollapsible(kvm: Kvm, cpu: Cpu, root: number, slot: MemSlot): Steps<void> {
  const end = slot.baseGfn + slot.npages;
  const iter = new TdpIter(kvm, root, 2, slot.baseGfn);
  yield* rcuReadLock(kvm, cpu);
  walk: for (yield* iter.start(cpu); iter.valid && iter.gfn < end; yield* iter.next(cpu)) {
    do {
      if (yield* tdpMmuIterCondResched(kvm, cpu, iter, false, true)) continue walk;
      if (!isCollapsible(slot, iter)) continue walk;
    } while ((yield* tdpMmuZapSpteAtomic(kvm, cpu, iter, 'log-off')) !== 0);
  }
  yield* rcuReadUnlock(kvm, cpu);
}

/**
 * recover_huge_pages_range() of 6.13 (13e2e4f62a4b): the table gives way to the huge page it could have been, which is made
 * from its first leaf; one flush before each yield and at the end.
 */
export function* tdpRecoverHugePages(kvm: Kvm, cpu: Cpu, root: number, slot: MemSlot): Steps<void> {
  const end = slot.baseGfn + slot.npages;
  const iter = new TdpIter(kvm, root, 2, slot.baseGfn);
  let flush = false;
  yield* rcuReadLock(kvm, cpu);
  walk: for (yield* iter.start(cpu); iter.valid && iter.gfn < end; yield* iter.next(cpu)) {
    for (;;) {
      if (yield* tdpMmuIterCondResched(kvm, cpu, iter, flush, true, 'log-off')) {
        flush = false;
        continue walk;
      }
      if (!isCollapsible(slot, iter)) continue walk;
      if (!(yield* makeHugeSpte(kvm, cpu, iter))) continue walk;
      if ((yield* tdpMmuSetSpteAtomic(kvm, cpu, iter, cpu.lo, cpu.hi)) === 0) break;
    }
    flush = true;
  }
  if (flush) yield* flushRemoteTlbs(kvm, cpu, 'log-off', slot.baseGfn, slot.npages);
  yield* rcuReadUnlock(kvm, cpu);
}

/** tdp_mmu_make_huge_spte(): from the first leaf below the entry, left in `cpu.lo/hi`. False if there is none. */
function* makeHugeSpte(kvm: Kvm, cpu: Cpu, parent: TdpIter): Steps<boolean> {
  const pages = kvm.pages(parent.level);
  const end = parent.gfn + pages;
  const iter = new TdpIter(kvm, spteChildSp(kvm, parent.lo, parent.hi), 1, parent.gfn);
  for (yield* iter.start(cpu); iter.valid && iter.gfn < end; yield* iter.next(cpu)) {
    if (!isShadowPresent(iter.lo) || !isLastSpte(iter.lo, iter.level)) continue;
    // The frame of the huge page: the bits below it go.
    cpu.lo = (iter.lo & ~((pages - 1) << 12)) | SPTE_PS;
    cpu.hi = iter.hi;
    if (kvm.config.nxHugePages) makeSpteNonexec(kvm, cpu);
    return true;
  }
  return false;
}
