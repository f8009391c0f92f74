/**
 * What the host does to guest memory behind KVM's back (kernel-facts 1.1, A9 to A11): swapping out, migration, sharing of
 * equal pages, and huge pages that come back. Whatever takes a translation or a permission away does so between the
 * start and the end of a notifier; what only gives needs none.
 *
 * The content of a page is copied when nobody can write it any more and before the new frame can be found; the old frame
 * is poisoned and free when it is done. A page that is not present keeps its content in the frame that its entry names.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import type { Steps } from '../../cpu/steps.ts';
import { allocationFails } from '../environment.ts';
import { type Kvm } from '../kvm.ts';
import { HOST_PRESENT, HOST_WRITABLE, hostEntry, type MemSlot } from '../memslot.ts';
import { changePte } from './change-pte.ts';
import { copyFrame, freeFrame, isFree, takeFrame, takeThisFrame } from './frames.ts';
import {
  hostLock,
  hostUnlock,
  mmapReadLock,
  mmapReadUnlock,
  mmapTryWriteLock,
  mmapWriteUnlock,
} from './host-lock.ts';
import { invalidateRangeEnd, invalidateRangeStart } from './notifier.ts';
import { bootPfn, setHostEntry, valueAllows, valuePfn } from './page-table.ts';
import { blockAround, hostRange, mappedAround } from './range.ts';

const PRESENT_WRITABLE = HOST_PRESENT | HOST_WRITABLE;

/** Changes the mappings of gfns [start, end) with a notifier around it. */
function* withNotifier(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  start: number,
  end: number,
  change: (gfn: number) => Steps<void>,
): Steps<void> {
  yield* mmapReadLock(kvm, cpu);
  const range = mappedAround(kvm, slot, start, end);
  yield* invalidateRangeStart(kvm, cpu, range);
  for (let gfn = start; gfn < end; gfn++) {
    yield* hostLock(kvm, cpu);
    yield* change(gfn);
    yield* hostUnlock(kvm, cpu);
  }
  yield* invalidateRangeEnd(kvm, cpu, range);
  yield* mmapReadUnlock(kvm, cpu);
}

/** Moves the page behind `gfn` to a new frame, which `flags` say how to map. Nothing happens if there is no frame to be had. */
function* moveToFrame(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number, flags: number): Steps<boolean> {
  const value = kvm.w[slot.hostWord(gfn)]!;
  if (allocationFails(kvm, cpu)) return false;
  const to = takeFrame(kvm);
  if (to < 0) return false;
  const from = valuePfn(slot, gfn, value);
  yield* copyFrame(kvm, cpu, from, to);
  yield* setHostEntry(kvm, cpu, slot, gfn, hostEntry(to, flags));
  yield* freeFrame(kvm, cpu, from);
  return true;
}

/** The pages go to the swap: the next access, the guest's included, has to bring each back. */
export function* swapOut(kvm: Kvm, cpu: Cpu, slot: MemSlot, start: number, end: number): Steps<void> {
  yield* withNotifier(kvm, cpu, slot, start, end, function* (gfn) {
    if (!valueAllows(kvm.w[slot.hostWord(gfn)]!, false)) return;
    if (yield* moveToFrame(kvm, cpu, slot, gfn, 0)) cpu.count(C.pagesSwapped);
  });
}

/** migrate_pages(): the pages go to other frames, with the permissions they had. */
export function* migratePages(kvm: Kvm, cpu: Cpu, slot: MemSlot, start: number, end: number): Steps<void> {
  yield* withNotifier(kvm, cpu, slot, start, end, function* (gfn) {
    const value = kvm.w[slot.hostWord(gfn)]!;
    if (!valueAllows(value, false)) return;
    const flags = value === 0 ? PRESENT_WRITABLE : value & PRESENT_WRITABLE;
    if (yield* moveToFrame(kvm, cpu, slot, gfn, flags)) cpu.count(C.pagesMoved);
  });
}

/**
 * KSM finds an equal page: this one becomes read-only, and then is replaced by a shared one. Each time KVM is told the new
 * pte. `unmapsFirst` is the kernel since 2012, where the notifier's start has already unmapped the page; without it
 * change_pte has something to replace (src/mmu/host/change-pte.ts).
 */
export function* mergePage(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  gfn: number,
  unmapsFirst: boolean,
): Steps<void> {
  // A huge page is split first, with a notifier of its own; nobody can put it together again meanwhile.
  yield* mmapReadLock(kvm, cpu);
  if (slot.hostLevel(gfn) > 1) yield* splitHostPage(kvm, cpu, slot, gfn);
  const range = hostRange(kvm, slot, gfn, gfn + 1);
  yield* invalidateRangeStart(kvm, cpu, range, unmapsFirst);
  yield* hostLock(kvm, cpu);
  const value = kvm.w[slot.hostWord(gfn)]!;
  if (valueAllows(value, false)) {
    const from = valuePfn(slot, gfn, value);
    // write_protect_page()
    yield* setHostEntry(kvm, cpu, slot, gfn, hostEntry(from, HOST_PRESENT));
    yield* changePte(kvm, cpu, range, from, false);
    const to = allocationFails(kvm, cpu) ? -1 : takeFrame(kvm);
    if (to >= 0) {
      // replace_page()
      yield* copyFrame(kvm, cpu, from, to);
      yield* setHostEntry(kvm, cpu, slot, gfn, hostEntry(to, HOST_PRESENT));
      yield* changePte(kvm, cpu, range, to, false);
      yield* freeFrame(kvm, cpu, from);
    }
  }
  yield* hostUnlock(kvm, cpu);
  yield* invalidateRangeEnd(kvm, cpu, range);
  yield* mmapReadUnlock(kvm, cpu);
}

/** split_huge_pmd() around one page: the same frames, mapped one by one. mmap_lock is held. */
function* splitHostPage(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<void> {
  const range = mappedAround(kvm, slot, gfn, gfn + 1);
  yield* invalidateRangeStart(kvm, cpu, range);
  yield* hostLock(kvm, cpu);
  if (kvm.w[slot.hostWord(gfn)] === 0) {
    yield* setHostEntry(kvm, cpu, slot, gfn, hostEntry(bootPfn(slot, gfn), PRESENT_WRITABLE));
  }
  yield* hostUnlock(kvm, cpu);
  yield* invalidateRangeEnd(kvm, cpu, range);
}

/**
 * do_swap_page(): the page behind `gfn` becomes present; what was not there can be mapped by nobody, so no notifier.
 * mmap_lock is held for read.
 */
export function* swapIn(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<void> {
  yield* hostLock(kvm, cpu);
  const value = kvm.w[slot.hostWord(gfn)]!;
  if (!valueAllows(value, false)) {
    yield* setHostEntry(kvm, cpu, slot, gfn, hostEntry(valuePfn(slot, gfn, value), PRESENT_WRITABLE));
  }
  yield* hostUnlock(kvm, cpu);
}

/**
 * wp_page_reuse(): a page that nobody shares any more becomes writable where it is. More permission needs no notifier, so
 * what maps it read-only stays (H-B). mmap_lock is held for read.
 */
export function* reusePage(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<void> {
  yield* hostLock(kvm, cpu);
  const value = kvm.w[slot.hostWord(gfn)]!;
  if (valueAllows(value, false) && !valueAllows(value, true)) {
    yield* setHostEntry(kvm, cpu, slot, gfn, hostEntry(valuePfn(slot, gfn, value), PRESENT_WRITABLE));
  }
  yield* hostUnlock(kvm, cpu);
}

/** The same for somebody who holds nothing. */
export function* makeWritable(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<void> {
  yield* mmapReadLock(kvm, cpu);
  yield* reusePage(kvm, cpu, slot, gfn);
  yield* mmapReadUnlock(kvm, cpu);
}

/**
 * wp_page_copy(): a shared page that is written to is copied, in the context of who writes. mmap_lock is held for read;
 * mmu_lock is not, as the notifier takes it.
 */
export function* copyOnWrite(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<void> {
  const range = hostRange(kvm, slot, gfn, gfn + 1);
  yield* invalidateRangeStart(kvm, cpu, range);
  yield* hostLock(kvm, cpu);
  const value = kvm.w[slot.hostWord(gfn)]!;
  // pte_same(): somebody else may have been here.
  if (valueAllows(value, false) && !valueAllows(value, true)) {
    if (yield* moveToFrame(kvm, cpu, slot, gfn, PRESENT_WRITABLE)) cpu.count(C.pagesMoved);
  }
  yield* hostUnlock(kvm, cpu);
  yield* invalidateRangeEnd(kvm, cpu, range);
}

/**
 * collapse_huge_page(): khugepaged puts the page of `level` around `gfn` together again. Its frames have to be in a row, so
 * every page goes back to the frame of the boot; if one of those is in use by now, or somebody is at work, nothing happens.
 * @returns true if the host maps the block with one page again
 */
export function* collapse(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number, level: number): Steps<boolean> {
  const { start, end } = blockAround(kvm, slot, gfn, level);
  if (!(yield* mmapTryWriteLock(kvm, cpu))) return false;
  let done = false;
  if (canCollapse(kvm, slot, start, end)) {
    const range = mappedAround(kvm, slot, start, end);
    yield* invalidateRangeStart(kvm, cpu, range);
    yield* hostLock(kvm, cpu);
    for (let at = start; at < end; at++) yield* restoreBootFrame(kvm, cpu, slot, at);
    yield* hostUnlock(kvm, cpu);
    yield* invalidateRangeEnd(kvm, cpu, range);
    done = true;
  }
  yield* mmapWriteUnlock(kvm, cpu);
  return done;
}

/** Nobody else changes a mapping now. Pages in the swap are left there, and shared ones shared. */
function canCollapse(kvm: Kvm, slot: MemSlot, start: number, end: number): boolean {
  let broken = false;
  for (let gfn = start; gfn < end; gfn++) {
    const value = kvm.w[slot.hostWord(gfn)]!;
    if (value === 0) continue;
    broken = true;
    if (!valueAllows(value, true)) return false;
    const home = bootPfn(slot, gfn);
    if (valuePfn(slot, gfn, value) !== home && !isFree(kvm, home)) return false;
  }
  return broken;
}

function* restoreBootFrame(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<void> {
  const value = kvm.w[slot.hostWord(gfn)]!;
  if (value === 0) return;
  const home = bootPfn(slot, gfn);
  const from = valuePfn(slot, gfn, value);
  if (from !== home) {
    takeThisFrame(kvm, home);
    yield* copyFrame(kvm, cpu, from, home);
  }
  yield* setHostEntry(kvm, cpu, slot, gfn, 0);
  if (from !== home) yield* freeFrame(kvm, cpu, from);
}
