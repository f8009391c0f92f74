/**
 * What KVM does when it has emulated a write to a page that holds one of L1's tables (kernel-facts A5, Q11, B-55): the
 * SPTEs made from the entry that was written go.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { isLastSpte, isShadowPresent } from '../format.ts';
import { heldHi, heldLo } from '../held-spte.ts';
import { KVM, type Kvm } from '../kvm.ts';
import { clearMmioSpte, isMmioSpte } from '../mmio-spte.ts';
import { roleLevel } from '../role.ts';
import { dropLeaf } from '../rmap.ts';
import { SP, spPut, spRole, sptepOf, sptepToSp, spsWithGptes } from '../shadow-page.ts';
import { spteChildSp } from '../spte.ts';
import { remoteFlushOrZap } from './sync.ts';
import { dropParentPte, prepareZap } from './zap.ts';

/** Emulated writes to a table, without a use of it in between, after which KVM takes it for a table no longer. */
const WRITE_FLOODING_THRESHOLD = 3;

/** A write to one of L1's table pages. */
export interface PteWrite {
  readonly gfn: number;
  /** Entry that was written. */
  readonly index: number;
  /** The write was not to one whole entry: detect_write_misaligned(). */
  readonly misaligned: boolean;
}

/**
 * kvm_mmu_pte_write(). The write itself comes before, and is visible: without any shadow page the lock is not taken, and
 * who makes the first one counts it before it reads L1's table (B-55).
 */
export function* kvmMmuPteWrite(kvm: Kvm, cpu: Cpu, write: PteWrite): Steps<void> {
  const count = kvm.base + KVM.indirectShadowPages;
  if (cpu.stepped && cpu.stops(Op.Load, count)) yield;
  if (cpu.load(count) === 0) return;
  yield* kvm.writeLock(cpu);
  cpu.count(C.pteWrites);
  const invalid: number[] = [];
  let flush = false;
  for (const sp of spsWithGptes(kvm, write.gfn)) {
    if (write.misaligned) cpu.count(C.pteMisaligned);
    if (write.misaligned || kvm.engine.detectWriteFlooding(kvm, sp)) {
      // An earlier one in this loop may have taken this one along.
      if (!invalid.includes(sp)) yield* prepareZap(kvm, cpu, sp, invalid);
      cpu.count(C.pteFloods);
      continue;
    }
    if (yield* kvm.engine.zapWrittenSpte(kvm, cpu, sptepOf(kvm, sp, write.index))) flush = true;
  }
  yield* remoteFlushOrZap(kvm, cpu, invalid, flush);
  yield* kvm.writeUnlock(cpu);
}

/**
 * Default of `Engine.detectWriteFlooding`: counts writes since the page was last used by a fault. Pages of level 1 are
 * left out, as they may go out of sync and then cost no more faults.
 */
export function detectWriteFlooding(kvm: Kvm, sp: number): boolean {
  if (roleLevel(spRole(kvm, sp)) === 1) return false;
  const count = kvm.w[kvm.header(sp) + SP.floodCount]! + 1;
  spPut(kvm, sp, SP.floodCount, count);
  return count >= WRITE_FLOODING_THRESHOLD;
}

/** __clear_sp_write_flooding_count(): the page is in use as a table. */
export function clearSpWriteFloodingCount(kvm: Kvm, sp: number): void {
  if (kvm.w[kvm.header(sp) + SP.floodCount] !== 0) spPut(kvm, sp, SP.floodCount, 0);
}

/**
 * Default of `Engine.zapWrittenSpte`: mmu_page_zap_pte() without a list to collect pages in, so that a child which loses
 * its last parent stays in the hash, to be found again or reclaimed.
 * @returns true if a present entry went, and the TLBs must be flushed
 */
export function* zapWrittenSpte(kvm: Kvm, cpu: Cpu, sptep: number): Steps<boolean> {
  const lo = heldLo(kvm, sptep);
  const hi = heldHi(kvm, sptep);
  if (!isShadowPresent(lo)) {
    if (isMmioSpte(kvm.format, lo, hi)) yield* clearMmioSpte(cpu, sptep);
    return false;
  }
  if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
  if (isLastSpte(lo, roleLevel(spRole(kvm, sptepToSp(kvm, sptep))))) yield* dropLeaf(kvm, cpu, sptep);
  else dropParentPte(kvm, cpu, spteChildSp(kvm, lo, hi), sptep);
  return true;
}
