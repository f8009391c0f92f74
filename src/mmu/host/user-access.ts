/**
 * Guest memory as the host's own software gets at it: user space that migrates the guest, and KVM that emulates a write
 * (kvm_write_guest). Both go by the host's page tables, and fault like any process does.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import type { Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import { frameWord, isPoisoned } from './frames.ts';
import { copyOnWrite, reusePage, swapIn } from './host-memory.ts';
import { hostLock, hostUnlock, mmapReadLock, mmapReadUnlock } from './host-lock.ts';
import { valueAllows, valuePfn } from './page-table.ts';

/**
 * handle_mm_fault(): after it the page is present, and writable if that was asked for, unless somebody is quicker to take
 * it away again. mmap_lock is held for read, mmu_lock is not held.
 */
export function* handleMmFault(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number, write: boolean): Steps<void> {
  yield* swapIn(kvm, cpu, slot, gfn);
  if (!write) return;
  const word = slot.hostWord(gfn);
  if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
  const value = cpu.load(word);
  if (valueAllows(value, true) || !valueAllows(value, false)) return;
  // Whether somebody else still has the shared page is the host's to know.
  if (cpu.choose(2) === 0) yield* reusePage(kvm, cpu, slot, gfn);
  else yield* copyOnWrite(kvm, cpu, slot, gfn);
}

/** The version of the page at `gfn`. The page may move meanwhile. */
export function* readGuestPage(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<number> {
  if (slot.layout.hostMap === 0) {
    const word = frameWord(kvm, slot.pfn(gfn));
    if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
    return cpu.load(word);
  }
  const entry = slot.hostWord(gfn);
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, entry)) yield;
    const value = cpu.load(entry);
    if (!valueAllows(value, false)) {
      yield* mmapReadLock(kvm, cpu);
      yield* swapIn(kvm, cpu, slot, gfn);
      yield* mmapReadUnlock(kvm, cpu);
      continue;
    }
    const word = frameWord(kvm, valuePfn(slot, gfn, value));
    if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
    const content = cpu.load(word);
    // What was read counts only if the frame was behind the page all the time; poison says it was not.
    if (cpu.stepped && cpu.stops(Op.Load, entry)) yield;
    if (cpu.load(entry) === value && !isPoisoned(content)) return content;
  }
}

/**
 * A write to the page at `gfn`: its version moves on. The page-table lock stands for the processor's own walk.
 * @returns the version before
 */
export function* writeGuestPage(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<number> {
  if (slot.layout.hostMap === 0) {
    const word = frameWord(kvm, slot.pfn(gfn));
    if (cpu.stepped && cpu.stops(Op.Add, word)) yield;
    return cpu.add(word, 1);
  }
  for (;;) {
    yield* hostLock(kvm, cpu);
    const value = kvm.w[slot.hostWord(gfn)]!;
    const allowed = valueAllows(value, true);
    let version = 0;
    if (allowed) {
      const word = frameWord(kvm, valuePfn(slot, gfn, value));
      if (cpu.stepped && cpu.stops(Op.Add, word)) yield;
      version = cpu.add(word, 1);
    }
    yield* hostUnlock(kvm, cpu);
    if (allowed) return version;
    yield* mmapReadLock(kvm, cpu);
    yield* handleMmFault(kvm, cpu, slot, gfn, true);
    yield* mmapReadUnlock(kvm, cpu);
  }
}
