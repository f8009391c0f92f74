/**
 * kvm_mmu_notifier_change_pte() (kernel-facts A11): the host replaces one page by another and tells KVM which, so that
 * the guest does not have to fault (KSM).
 *
 * The caller is between invalidate_range_start and _end. Since those two wrap every such change (6bdb913f0a70, 2012) the
 * start has already unmapped what is replaced here, and nothing is found; src/mmu/host/host-memory.ts can leave the
 * unmapping out, as it was when these functions were written.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../config.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { isShadowPresent, SPTE_W } from '../format.ts';
import { KVM, type Kvm } from '../kvm.ts';
import { MEMSLOT_GONE } from '../memslot.ts';
import { RmapIterator } from '../pte-list.ts';
import { mmuSpteClearTrackBits, updatePageStats } from '../rmap.ts';
import { zapRmap } from '../shadow/recycle.ts';
import { adEnabled, markForAccessTrack, pfnHi, pfnLo } from '../spte.ts';
import { tdpSetSpteGfn } from '../tdp/change-pte.ts';
import { hasTdpRoots } from '../tdp/present.ts';
import type { HostRange } from './range.ts';

/** The address bits of an entry, by halves. */
const PFN_LO = ~0xfff;
const PFN_HI = 0xfffff;

/** Default of `Engine.changedPteSpte`: neither writable nor to be made so without a fault (f082d86ea685), and not young. */
export function changedPteSpte(kvm: Kvm, cpu: Cpu, lo: number, hi: number, pfn: number): void {
  const f = kvm.format;
  cpu.lo = (lo & ~PFN_LO & ~(SPTE_W | f.hostWritableLo | f.mmuWritableLo)) | pfnLo(pfn);
  cpu.hi = (hi & ~PFN_HI & ~(f.hostWritableHi | f.mmuWritableHi)) | pfnHi(pfn);
  if (adEnabled(cpu.hi)) cpu.lo &= ~f.accessedLo;
  else markForAccessTrack(kvm, cpu);
}

/**
 * The page of `range`, which is one page, is `pfn` from now on: writable, and then what maps the old one is zapped, or
 * read-only, and then it is replaced. The TLBs know when this returns.
 */
export function* changePte(
  kvm: Kvm,
  cpu: Cpu,
  range: HostRange,
  pfn: number,
  writable: boolean,
): Steps<void> {
  const inProgress = kvm.base + KVM.invalidateInProgress;
  if (cpu.stepped && cpu.stops(Op.Load, inProgress)) yield;
  if (cpu.load(inProgress) === 0) return;
  cpu.count(C.changePtes);
  yield* kvm.writeLock(cpu);
  for (const { slot, start: gfn } of range.parts) {
    if (cpu.stepped && cpu.stops(Op.Load, slot.flagsWord)) yield;
    if ((cpu.load(slot.flagsWord) & MEMSLOT_GONE) !== 0) continue;
    for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
      const head = slot.rmapWord(gfn, level);
      const changed = writable
        ? yield* zapRmap(kvm, cpu, head)
        : yield* setPteRmap(kvm, cpu, head, level, pfn - (gfn & (kvm.pages(level) - 1)));
      if (kvm.engine.flushAfterUnmap(changed)) {
        const first = gfn & ~(kvm.pages(level) - 1);
        yield* flushRemoteTlbs(kvm, cpu, 'notifier', first, kvm.engine.changedPteFlushPages(kvm, level));
      }
    }
    if (hasTdpRoots(kvm)) {
      const changed = yield* tdpSetSpteGfn(kvm, cpu, gfn, pfn, writable);
      if (kvm.engine.flushAfterUnmap(changed)) yield* flushRemoteTlbs(kvm, cpu, 'notifier', gfn, 1);
    }
  }
  yield* kvm.writeUnlock(cpu);
}

/** kvm_set_pte_rmap(): every SPTE of one head maps `pfn` read-only. True if there was one. */
function* setPteRmap(kvm: Kvm, cpu: Cpu, head: number, level: number, pfn: number): Steps<boolean> {
  const iterator = new RmapIterator();
  let any = false;
  for (let sptep = iterator.first(kvm, head, cpu.mmuReleases); sptep !== 0; sptep = iterator.next(kvm)) {
    const word = sptep * 2;
    any = true;
    if (cpu.stepped && cpu.stops(Op.Load64, word)) yield;
    cpu.load64(sptep);
    if (!isShadowPresent(cpu.lo)) continue;
    kvm.engine.changedPteSpte(kvm, cpu, cpu.lo, cpu.hi, pfn);
    const { lo, hi } = cpu;
    if (cpu.stepped && cpu.stops(Op.Exchange64, word)) yield;
    mmuSpteClearTrackBits(kvm, cpu, sptep);
    // The entry stays in its head, and in the statistics.
    updatePageStats(kvm, level, 1);
    if (cpu.stepped && cpu.stops(Op.Store64, word)) yield;
    cpu.store64(sptep, lo, hi);
  }
  return any;
}
