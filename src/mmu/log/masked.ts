/** kvm_arch_mmu_enable_log_dirty_pt_masked(): one 64-gfn word of GET, CLEAR or RESET on both MMUs (kernel-facts 3.1). */
import type { Cpu } from '../../cpu/cpu.ts';
import type { Steps } from '../../cpu/steps.ts';
import { PG_LEVEL_4K } from '../config.ts';
import { KVM, type Kvm } from '../kvm.ts';
import { splitCaches } from '../memory-cache.ts';
import type { MemSlot } from '../memslot.ts';
import { rmapClearDirty } from '../shadow/clear-dirty.ts';
import { trySplitHugePages } from '../shadow/split.ts';
import { rmapWriteProtect, slotGfnWriteProtect } from '../shadow/write-protect.ts';
import { hasTdpRoots } from '../tdp/present.ts';
import { tdpTrySplitHugePages } from '../tdp/split.ts';
import { tdpClearDirtyPtMasked } from '../tdp/write-protect.ts';
import { INITIALLY_SET, MANUAL_PROTECT_ENABLE } from './manual-protect.ts';
import { usesDirtyBits } from './pml.ts';
import { BITS_PER_LONG, firstBit, hasBit, lastBit } from './words.ts';

/** Pages of the slot from `offset` on whose bits are set in (lo, hi), which is not 0; `mmu_lock` is held for write. */
export function* enableLogDirtyMasked(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  offset: number,
  lo: number,
  hi: number,
): Steps<void> {
  const base = slot.baseGfn + offset;
  kvm.observer.logMasked(cpu, offset, lo, hi);
  if (kvm.get(KVM.manualProtect) === (MANUAL_PROTECT_ENABLE | INITIALLY_SET)) {
    yield* splitAndProtectBlocks(kvm, cpu, slot, base + firstBit(lo, hi), base + lastBit(lo, hi));
  }
  const byDirtyBits = usesDirtyBits(kvm);
  if (hasTdpRoots(kvm)) yield* tdpClearDirtyPtMasked(kvm, cpu, slot, base, lo, hi, !byDirtyBits);
  for (let bit = 0; bit < BITS_PER_LONG; bit++) {
    if (!hasBit(lo, hi, bit)) continue;
    const head = slot.rmapWord(base + bit, 1);
    if (byDirtyBits) yield* rmapClearDirty(kvm, cpu, head);
    else yield* rmapWriteProtect(kvm, cpu, head, false);
  }
}

/** E2 and E3 under INITIALLY_SET: splits from the first page to the last, and write-protects what stays huge. */
function* splitAndProtectBlocks(kvm: Kvm, cpu: Cpu, slot: MemSlot, start: number, last: number): Steps<void> {
  const end = kvm.engine.clearSplitEnd(last);
  if (kvm.engine.splitsTdpFirst) {
    yield* tdpTrySplitHugePages(kvm, cpu, slot, start, end, PG_LEVEL_4K, false);
  }
  yield* trySplitHugePages(kvm, cpu, splitCaches(kvm, 0), slot, start, end);
  if (!kvm.engine.splitsTdpFirst) {
    yield* tdpTrySplitHugePages(kvm, cpu, slot, start, end, PG_LEVEL_4K, false);
  }
  kvm.observer.maskedSplit(cpu, slot.config.id, start, last);
  yield* slotGfnWriteProtect(kvm, cpu, slot, start, 2);
  const block = kvm.pages(2);
  if (block >= BITS_PER_LONG) {
    if (Math.ceil(start / block) !== Math.ceil(last / block))
      yield* slotGfnWriteProtect(kvm, cpu, slot, last, 2);
  } else {
    // Only with tables smaller than x86's: a word spans several huge pages, and each of them counts.
    for (let gfn = (start & ~(block - 1)) + block; gfn <= last; gfn += block) {
      yield* slotGfnWriteProtect(kvm, cpu, slot, gfn, 2);
    }
  }
}
