/**
 * Live migration, the whole protocol (design 5), with the bitmap or the dirty rings: log on, copy everything, rounds of harvest and copy, stop the vCPUs,
 * harvest and copy what is left, compare. Its oracle is D6: the destination equals the source, page by page.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import {
  clearDirtyLog,
  enableDirtyLogging,
  getDirtyLog,
  splitInline,
  type SplitDriver,
} from '../mmu/dirty-log.ts';
import { readGuestPage } from '../mmu/host/user-access.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import { EXITING_GUEST_MODE, IN_GUEST_MODE, MODE_MASK, REQ_PAUSE, VCPU } from '../mmu/vcpu-words.ts';
import type { ActorContext } from './context.ts';
import { reapDirtyRings, sharesDirtyLog, slotBit, takeHarvested, takeRecopy } from './dirty-rings.ts';
import { FINISH } from './run-vcpu.ts';
import { dismissSplitWorkers, splitByShards } from './split-worker.ts';
import { lockUserSpace, unlockUserSpace } from './user-lock.ts';

/** Pages copied between two safepoints. */
const COPY_BATCH = 4096;
/** How often user space asks for a log that the host has no memory for. */
const ENABLE_TRIES = 4;

/** @param clearPages most pages that one CLEAR names, at most 64; 0: the whole slot at once */
export function* migration(
  context: ActorContext,
  slotIds: readonly number[],
  rounds: number,
  clearPages = 0,
): Steps<void> {
  const { kvm, cpu } = context;
  const slots = kvm.slots.filter((slot) => slotIds.includes(slot.config.id));
  const split = kvm.config.shards > 1 ? splitByShards : splitInline;

  const shared = sharesDirtyLog(kvm, slots);

  let logged = true;
  if (shared) yield* lockUserSpace(kvm, cpu);
  for (const slot of slots) logged = logged && (yield* startLogging(kvm, cpu, slot, split));
  if (shared) yield* unlockUserSpace(kvm, cpu);
  if (logged) yield* migrate(kvm, cpu, slots, rounds, shared, clearPages);
  else {
    // The host has no memory for the bitmaps: the migration is called off.
    cpu.count(C.migrationsFailed);
    yield* stopVcpus(kvm, cpu);
  }
  const over = kvm.base + KVM.finished;
  if (cpu.stepped && cpu.stops(Op.Store, over)) yield;
  cpu.store(over, 1);
  cpu.notify(over);
  if (kvm.config.shards > 1) yield* dismissSplitWorkers(kvm, cpu);
}

/** Turns logging on, and tries again a few times where there is no memory. False if there is none after that. */
function* startLogging(kvm: Kvm, cpu: Cpu, slot: MemSlot, split: SplitDriver): Steps<boolean> {
  for (let tries = 0; tries < ENABLE_TRIES; tries++) {
    cpu.betweenMoves();
    if ((yield* enableDirtyLogging(kvm, cpu, slot, split)) === 0) return true;
  }
  return false;
}

/** Everything between the log that is on and the comparison. */
function* migrate(
  kvm: Kvm,
  cpu: Cpu,
  slots: readonly MemSlot[],
  rounds: number,
  shared: boolean,
  clearPages: number,
): Steps<void> {
  for (const slot of slots) yield* copyAll(kvm, cpu, slot);
  if (shared) yield* lockUserSpace(kvm, cpu);
  for (const slot of slots) noteFirstCopy(kvm, slot);
  if (shared) yield* unlockUserSpace(kvm, cpu);
  for (let round = 0; round < rounds; round++) {
    cpu.count(C.rounds);
    cpu.safepoint();
    for (const slot of slots) yield* harvestAndCopy(kvm, cpu, slot, shared, clearPages);
  }
  cpu.safepoint();
  yield* stopVcpus(kvm, cpu);
  // Stopped vCPUs have emptied their PML buffers on the way out, and what is left in rings is reaped here.
  for (const slot of slots) yield* harvestAndCopy(kvm, cpu, slot, shared, clearPages);
  for (const slot of slots) yield* compare(kvm, cpu, slot);
  cpu.count(C.migrations);
}

/** The first pass: every page, whatever the log says. */
function* copyAll(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void> {
  // With INITIALLY_SET the first harvest reports every page, so copying them now would only copy twice.
  if (kvm.get(KVM.manualProtect) > 1) return;
  for (let gfn = slot.baseGfn; gfn < slot.baseGfn + slot.npages; gfn++) {
    // User space reads one page after the other.
    if (gfn % COPY_BATCH === 0) cpu.safepoint();
    else cpu.betweenMoves();
    putPage(kvm, cpu, slot, gfn, yield* readGuestPage(kvm, cpu, slot, gfn));
  }
}

/** The copy of a page arrives at the destination. */
function putPage(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number, version: number): void {
  kvm.arena.put(slot.layout.destination + (gfn - slot.baseGfn), version);
  cpu.count(C.pagesCopied);
}

/** From now on content that differs at the destination must be in the log, unless the log had a gap meanwhile. */
function noteFirstCopy(kvm: Kvm, slot: MemSlot): void {
  const bit = slotBit(kvm, slot);
  if ((kvm.get(KVM.recopySlots) & bit) === 0) kvm.put(KVM.firstCopyDone, kvm.get(KVM.firstCopyDone) | bit);
}

/** One round: fetch the log, clear it if that is a call of its own, copy what it named. */
function* harvestAndCopy(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  shared: boolean,
  clearPages: number,
): Steps<void> {
  if (shared) {
    yield* lockUserSpace(kvm, cpu);
    takeRecopy(kvm, slot);
  }
  yield* harvest(kvm, cpu, slot, clearPages);
  if (shared) yield* unlockUserSpace(kvm, cpu);
  const { userBitmap, bitmapWords } = slot.layout;
  for (let word = 0; word < bitmapWords; word++) {
    if (word % 128 === 0) cpu.safepoint();
    const at = userBitmap + word;
    while (kvm.w[at] !== 0) {
      const bits = kvm.w[at]!;
      const bit = 31 - Math.clz32(bits & -bits);
      cpu.betweenMoves();
      const gfn = slot.baseGfn + word * 32 + bit;
      putPage(kvm, cpu, slot, gfn, yield* readGuestPage(kvm, cpu, slot, gfn));
      kvm.arena.put(at, bits & (bits - 1));
    }
  }
  kvm.observer.progress(cpu);
}

/** What the log has to say about the slot goes into its user bitmap, and its pages are write-protected again. */
function* harvest(kvm: Kvm, cpu: Cpu, slot: MemSlot, clearPages: number): Steps<void> {
  if (kvm.config.ringEntries > 0) {
    yield* reapDirtyRings(kvm, cpu);
    takeHarvested(kvm, slot);
    return;
  }
  yield* getDirtyLog(kvm, cpu, slot);
  if (kvm.get(KVM.manualProtect) === 0) return;
  // Another ioctl.
  cpu.betweenMoves();
  if (clearPages > 0) yield* clearInParts(kvm, cpu, slot, clearPages);
  else {
    const pages = Math.ceil(slot.npages / 64) * 64;
    yield* clearDirtyLog(kvm, cpu, slot, 0, pages);
  }
}

/** CLEAR of what user space has in hand, up to `most` pages of one 64-bit word at a time, as QEMU clears what it sends next. */
function* clearInParts(kvm: Kvm, cpu: Cpu, slot: MemSlot, most: number): Steps<void> {
  const { userBitmap, bitmapWords } = slot.layout;
  for (let word = 0; word < bitmapWords; word += 2) {
    let [lo, hi] = [kvm.w[userBitmap + word]!, kvm.w[userBitmap + word + 1]!];
    while ((lo | hi) !== 0) {
      const mask = { lo: 0, hi: 0 };
      for (let i = 0; i < most && (lo | hi) !== 0; i++) {
        const [lowLo, lowHi] = lo !== 0 ? [lo & -lo, 0] : [0, hi & -hi];
        mask.lo |= lowLo;
        mask.hi |= lowHi;
        lo ^= lowLo;
        hi ^= lowHi;
      }
      cpu.betweenMoves();
      yield* clearDirtyLog(kvm, cpu, slot, word * 32, 64, mask);
    }
  }
}

/** Kicks every vCPU out of KVM_RUN for good and waits until all are out. */
function* stopVcpus(kvm: Kvm, cpu: Cpu): Steps<void> {
  const request = kvm.base + KVM.pauseRequest;
  if (cpu.stepped && cpu.stops(Op.Store, request)) yield;
  cpu.store(request, FINISH);
  cpu.notify(request);
  for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
    const words = kvm.vcpuWord(vcpu);
    if (cpu.stepped && cpu.stops(Op.Or, words + VCPU.requests)) yield;
    cpu.or(words + VCPU.requests, REQ_PAUSE);
    // L1 may have halted until its INVEPTs are answered.
    cpu.notify(words + VCPU.requests);
    const mode = words + VCPU.mode;
    if (cpu.stepped && cpu.stops(Op.Load, mode)) yield;
    const seen = cpu.load(mode);
    if ((seen & MODE_MASK) !== IN_GUEST_MODE) continue;
    if (cpu.stepped && cpu.stops(Op.CompareExchange, mode)) yield;
    cpu.compareExchange(mode, seen, (seen & ~MODE_MASK) | EXITING_GUEST_MODE);
  }
  const paused = kvm.base + KVM.paused;
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, paused)) yield;
    const count = cpu.load(paused);
    if (count >= kvm.config.vcpus) return;
    if (cpu.stepped && cpu.stops(Op.Wait, paused, count)) yield;
    cpu.wait(paused, count);
  }
}

/** D6. The vCPUs are stopped and everything was copied, so nothing else can write. */
function* compare(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void> {
  let lost = 0;
  for (let gfn = slot.baseGfn; gfn < slot.baseGfn + slot.npages; gfn++) {
    // Nobody writes any more; where the host moves pages it still does.
    const moves = slot.layout.hostMap !== 0;
    const source = moves
      ? yield* readGuestPage(kvm, cpu, slot, gfn)
      : kvm.w[kvm.layout.memory + slot.pfn(gfn)]!;
    const destination = kvm.w[slot.layout.destination + (gfn - slot.baseGfn)]!;
    if (source === destination) continue;
    if (lost++ === 0) {
      kvm.observer.broken(cpu, {
        id: 'D6',
        text: `gfn 0x${gfn.toString(16)} has version ${source} at the source and ${destination} at the destination`,
        words: [kvm.layout.memory + slot.pfn(gfn)],
      });
    }
  }
  cpu.count(C.pagesCompared, slot.npages);
}
