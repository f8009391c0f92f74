/** Zapping everything, or a range for reasons of KVM's own (kernel-facts A19, A24, A28). */
import { type Cpu, HELD_SLOTS } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import type { Steps } from '../cpu/steps.ts';
import { flushRemoteTlbs } from './flush.ts';
import { mmuInvalidateBegin, mmuInvalidateEnd } from './host/notifier.ts';
import { KVM, type Kvm } from './kvm.ts';
import type { MemSlot } from './memslot.ts';
import { commitList, condReschedMmuWrite, zapIntoList, zapObsoletePages } from './obsolete.ts';
import { zapRmap } from './shadow/recycle.ts';
import { slotHandleLevel } from './shadow/walker.ts';
import { tdpInvalidateAllRoots, tdpZapInvalidatedRoots } from './tdp/roots.ts';
import { tdpMmuZapAll, tdpMmuZapLeafs } from './tdp/zap.ts';

/** Above every gfn: the end of an invalidation of everything. */
export const ALL_GFNS = 0x7fffffff;

/**
 * kvm_mmu_zap_all_fast() (A19): a new generation makes every page obsolete at once; all vCPUs are asked, in the same
 * section, to let go of their roots, and the pages are zapped while faults already build anew. The caller holds slots_lock.
 */
export function* zapAllFast(kvm: Kvm, cpu: Cpu): Steps<void> {
  if ((cpu.held & HELD_SLOTS) === 0) {
    kvm.observer.broken(cpu, {
      id: 'D1',
      text: `${cpu.name} changes the generation without slots_lock`,
      words: [],
    });
  }
  cpu.count(C.zapAlls);
  yield* kvm.writeLock(cpu);
  kvm.put(KVM.validGen, kvm.get(KVM.validGen) === 0 ? 1 : 0);
  yield* tdpInvalidateAllRoots(kvm, cpu);
  yield* kvm.engine.requestFreeObsoleteRoots(kvm, cpu);
  yield* zapObsoletePages(kvm, cpu);
  yield* kvm.writeUnlock(cpu);
  yield* tdpZapInvalidatedRoots(kvm, cpu);
}

/** kvm_mmu_zap_all() (A28): the end of the VM's process. Starts over whenever a page or the lock was let go. */
export function* zapAll(kvm: Kvm, cpu: Cpu): Steps<void> {
  yield* kvm.writeLock(cpu);
  for (;;) {
    const sp = kvm.get(KVM.activeHead);
    if (sp === 0) break;
    yield* zapIntoList(kvm, cpu, sp);
    yield* condReschedMmuWrite(kvm, cpu);
  }
  yield* commitList(kvm, cpu);
  yield* tdpMmuZapAll(kvm, cpu);
  yield* kvm.writeUnlock(cpu);
}

/**
 * kvm_zap_gfn_range() (A24): the memory type of [start, end) changes, or the APIC page moves. Between begin and end no
 * fault may install anything that it looked up before (B-40), and the flush comes before the end (A24).
 */
export function* zapGfnRange(kvm: Kvm, cpu: Cpu, start: number, end: number): Steps<void> {
  const [from, to] = kvm.engine.zapGfnRangeBlocks(start, end);
  yield* kvm.writeLock(cpu);
  yield* mmuInvalidateBegin(kvm, cpu, from, to);
  kvm.observer.zapRange(cpu, start, end, true);
  let flush = false;
  for (const slot of kvm.slots) {
    const first = Math.max(start, slot.baseGfn);
    const last = Math.min(end, slot.baseGfn + slot.npages);
    if (first < last) flush = yield* zapSlotRange(kvm, cpu, slot, first, last, flush);
  }
  flush = yield* tdpMmuZapLeafs(kvm, cpu, start, end, true, flush);
  if (flush) yield* flushRemoteTlbs(kvm, cpu, 'memslot', start, end - start);
  kvm.observer.zapRange(cpu, start, end, false);
  yield* mmuInvalidateEnd(kvm, cpu, from, to);
  yield* kvm.writeUnlock(cpu);
}

/** kvm_zap_rmap() on the heads of all levels; a yield flushes what is owed, `owed` included. True if a flush is owed. */
export function* zapSlotRange(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  start: number,
  end: number,
  owed: boolean,
): Steps<boolean> {
  const handler = (head: number): Steps<boolean> => zapRmap(kvm, cpu, head);
  let flush = owed;
  for (const level of kvm.engine.zapRangeLevels) {
    flush = yield* slotHandleLevel(kvm, cpu, slot, start, end, level, handler, true, flush, 'memslot');
  }
  return flush;
}
