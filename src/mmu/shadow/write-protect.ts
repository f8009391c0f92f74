/** Write protection of nested SPTEs (kernel-facts 3.1, 5.6). */
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../config.ts';
import { isMmuWritable, isWritable, SPTE_W } from '../format.ts';
import type { Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import { RmapIterator } from '../pte-list.ts';
import { mmuSpteUpdate } from '../rmap.ts';
import { hasTdpRoots } from '../tdp/present.ts';
import { tdpWriteProtectGfn } from '../tdp/write-protect.ts';

/** spte_write_protect(): Exchange64 of the entry is announced; the caller has found something to clear. */
export function spteWriteProtect(
  kvm: Kvm,
  cpu: Cpu,
  sptep: number,
  lo: number,
  hi: number,
  ptProtect: boolean,
): boolean {
  const f = kvm.format;
  let newLo = lo & ~SPTE_W;
  let newHi = hi;
  if (ptProtect) {
    newLo &= ~f.mmuWritableLo;
    newHi &= ~f.mmuWritableHi;
  }
  return mmuSpteUpdate(kvm, cpu, sptep, newLo, newHi);
}

/** Default test of spte_write_protect(): is there anything to do? W for logging; W or M for a shadowed table (B-04). */
export function needsWriteProtect(kvm: Kvm, lo: number, hi: number, ptProtect: boolean): boolean {
  return isWritable(lo) || (ptProtect && isMmuWritable(kvm.format, lo, hi));
}

/** rmap_write_protect(): every SPTE of one head; true if a flush is needed. */
export function* rmapWriteProtect(kvm: Kvm, cpu: Cpu, head: number, ptProtect: boolean): Steps<boolean> {
  if (kvm.w[head] === 0) return false;
  const iterator = new RmapIterator();
  let flush = false;
  for (let sptep = iterator.first(kvm, head, cpu.mmuReleases); sptep !== 0; sptep = iterator.next(kvm)) {
    const word = sptep * 2;
    if (cpu.stepped && cpu.stops(Op.Load64, word)) yield;
    cpu.load64(sptep);
    const { lo, hi } = cpu;
    if (!kvm.engine.needsWriteProtect(kvm, lo, hi, ptProtect)) continue;
    if (cpu.stepped && cpu.stops(Op.Exchange64, word)) yield;
    if (kvm.engine.spteWriteProtect(kvm, cpu, sptep, lo, hi, ptProtect)) flush = true;
  }
  return flush;
}

/** kvm_mmu_slot_gfn_write_protect(): one gfn from `minLevel` up in both MMUs, with MMU-writable cleared. */
export function* slotGfnWriteProtect(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  gfn: number,
  minLevel: number,
): Steps<boolean> {
  kvm.observer.gfnWriteProtect(cpu, gfn, minLevel);
  let flush = false;
  for (let level = minLevel; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
    if (yield* rmapWriteProtect(kvm, cpu, slot.rmapWord(gfn, level), true)) flush = true;
  }
  if (hasTdpRoots(kvm) && (yield* tdpWriteProtectGfn(kvm, cpu, slot, gfn, minLevel))) flush = true;
  kvm.observer.gfnWriteProtected(cpu, gfn, flush);
  return flush;
}
