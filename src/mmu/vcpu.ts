/** A vCPU's shared words, its guest mode and its requests (kernel-facts 2.8, 5.5, D26). */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { acknowledgeSlowly, stayOutside } from './environment.ts';
import { serveRanges } from './flush-range.ts';
import { KVM, type Kvm } from './kvm.ts';
import { dirtyRingSoftFull } from './log/dirty-ring.ts';
import type { MemSlot } from './memslot.ts';
import { vcpuCaches, type VcpuCaches } from './memory-cache.ts';
import { PscHit } from './psc.ts';
import { unloadMmu } from './roots.ts';
import {
  IN_GUEST_MODE,
  MODE_MASK,
  OUTSIDE_GUEST_MODE,
  REQ_FREE_OBSOLETE_ROOTS,
  REQ_L1_INVEPT,
  REQ_MMU_RELOAD,
  REQ_MMU_SYNC,
  REQ_PAUSE,
  REQ_TLB_FLUSH,
  REQ_TLB_FLUSH_RANGE,
  SESSION_STEP,
  VCPU,
} from './vcpu-words.ts';

/** One vCPU as its own actor sees it. */
export class Vcpu {
  readonly kvm: Kvm;
  readonly cpu: Cpu;
  readonly index: number;
  readonly base: number;
  readonly caches: VcpuCaches;
  /** Scratch of the page fault in progress; see src/mmu/shadow/fault.ts. */
  readonly walker: GuestWalker;
  /**
   * The entry of L1's tables that the instruction at hand stores to, as an 8-byte index; q 0: it is no such store. `partial`:
   * it writes a part of the entry only, as a one-byte instruction does. `keepsAd`: a locked instruction that leaves A and D as it
   * finds them.
   */
  readonly store = { q: 0, lo: 0, hi: 0, partial: false, keepsAd: false };
  /** Where the paging-structure cache lets a walk begin (src/mmu/hardware.ts). */
  readonly pscHit: PscHit = new PscHit();
  /** KVM_EXIT_DIRTY_RING_FULL: why the last entry into the guest was refused. */
  ringFull = false;
  /** The memslot on whose account the last fault must be tried again: it is being deleted. */
  invalidSlot: MemSlot | undefined = undefined;

  constructor(kvm: Kvm, cpu: Cpu, index: number) {
    this.kvm = kvm;
    this.cpu = cpu;
    this.index = index;
    this.base = kvm.vcpuWord(index);
    this.caches = vcpuCaches(kvm, index);
    this.walker = new GuestWalker();
    cpu.runningVcpu = index;
  }

  word(field: number): number {
    return this.base + field;
  }

  get rootIndex(): number {
    return this.kvm.w[this.base + VCPU.root]!;
  }

  /** Shadow page of the root in use; 0 if none is loaded. */
  get rootSp(): number {
    return this.kvm.w[this.base + VCPU.roots + this.rootIndex]!;
  }
}

/** struct guest_walker: what a walk of L1's table found. Index 0 of the arrays is unused, 1 to 5 are levels. */
export class GuestWalker {
  /** Level of the top table, and of the entry that ended the walk. */
  rootLevel = 0;
  level = 0;
  gfn = 0;
  pteAccess = 0;
  readonly tableGfn: number[] = [0, 0, 0, 0, 0, 0];
  readonly ptAccess: number[] = [0, 0, 0, 0, 0, 0];
  readonly pteQ: number[] = [0, 0, 0, 0, 0, 0];
  readonly pteLo: number[] = [0, 0, 0, 0, 0, 0];
  readonly pteHi: number[] = [0, 0, 0, 0, 0, 0];
}

/**
 * vcpu_enter_guest(): honours requests, publishes IN_GUEST_MODE, and looks at the requests again (D26).
 * @returns false if the vCPU must not enter: the root went away, user space asked for a pause, or `ringFull` says that user
 * space has to empty the dirty ring first
 */
export function* enterGuest(vcpu: Vcpu): Steps<boolean> {
  const { cpu, kvm } = vcpu;
  const { w } = kvm;
  const requests = vcpu.word(VCPU.requests);
  const mode = vcpu.word(VCPU.mode);
  if (kvm.config.ringEntries > 0) {
    vcpu.ringFull = yield* dirtyRingSoftFull(vcpu);
    if (vcpu.ringFull) {
      cpu.count(C.ringFull);
      return false;
    }
  }
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, requests)) yield;
    let pending = cpu.load(requests);
    if (pending !== 0) {
      if (cpu.stepped && cpu.stops(Op.And, requests)) yield;
      cpu.and(requests, ~pending);
      if ((pending & REQ_TLB_FLUSH) !== 0) kvm.engine.serveTlbFlush(vcpu);
      if ((pending & REQ_TLB_FLUSH_RANGE) !== 0) yield* serveRanges(vcpu);
      if ((pending & REQ_FREE_OBSOLETE_ROOTS) !== 0) yield* kvm.engine.freeObsoleteRoots(vcpu);
      if ((pending & REQ_MMU_RELOAD) !== 0) {
        cpu.count(C.mmuReloads);
        yield* unloadMmu(vcpu);
      }
      if ((pending & REQ_L1_INVEPT) !== 0) yield* kvm.engine.handleL1Invept(vcpu);
      if ((pending & REQ_MMU_SYNC) !== 0) yield* kvm.engine.syncRoots(vcpu);
      if ((pending & REQ_PAUSE) !== 0) return false;
    }
    if (vcpu.rootSp === 0) return false;
    const session = (w[mode]! & ~MODE_MASK) + SESSION_STEP;
    if (cpu.stepped && cpu.stops(Op.Store, mode)) yield;
    cpu.store(mode, session | IN_GUEST_MODE);
    kvm.observer.guestEntering(cpu, vcpu.index);
    if (cpu.stepped && cpu.stops(Op.Load, requests)) yield;
    pending = cpu.load(requests);
    if (pending === 0) {
      cpu.count(C.guestEntries);
      kvm.observer.guestEntered(cpu, vcpu.index);
      return true;
    }
    if (cpu.stepped && cpu.stops(Op.Store, mode)) yield;
    cpu.store(mode, session | OUTSIDE_GUEST_MODE);
    cpu.notify(mode);
  }
}

/** The vCPU leaves guest mode: after this store a requester's IPI counts as acknowledged (kernel-facts 5.5). */
export function* exitGuest(vcpu: Vcpu): Steps<void> {
  const { cpu, kvm } = vcpu;
  const mode = vcpu.word(VCPU.mode);
  if (kvm.config.slowAckRate > 0) yield* acknowledgeSlowly(vcpu);
  // Who kicks the vCPU changes its mode only, and may do so now.
  const session = kvm.arena.bits(mode, ~MODE_MASK);
  if (cpu.stepped && cpu.stops(Op.Store, mode)) yield;
  cpu.store(mode, session | OUTSIDE_GUEST_MODE);
  cpu.notify(mode);
  // What hardware has logged goes into the dirty log on every exit, whatever its reason (A26).
  if (kvm.config.pmlEntries > 0) yield* kvm.engine.flushPmlBuffer(vcpu);
  if (kvm.config.longExitRate > 0) yield* stayOutside(vcpu);
}

/** srcu_read_lock() around a fault: memslot flags loaded inside are pinned (kernel-facts 3.1, 3.2). */
export function* srcuReadLock(vcpu: Vcpu): Steps<void> {
  const { cpu } = vcpu;
  const word = vcpu.word(VCPU.srcu);
  if (cpu.stepped && cpu.stops(Op.Add, word)) yield;
  cpu.add(word, 1);
}

export function* srcuReadUnlock(vcpu: Vcpu): Steps<void> {
  const { cpu } = vcpu;
  const word = vcpu.word(VCPU.srcu);
  if (cpu.stepped && cpu.stops(Op.Add, word)) yield;
  cpu.add(word, 1);
  cpu.notify(word);
}

/** srcu_read_lock() of a thread that runs no vCPU; there may be several inside at once. */
export function* srcuWorkerLock(kvm: Kvm, cpu: Cpu): Steps<void> {
  const word = kvm.base + KVM.srcuWorkers;
  if (cpu.stepped && cpu.stops(Op.Add, word)) yield;
  cpu.add(word, 1);
}

export function* srcuWorkerUnlock(kvm: Kvm, cpu: Cpu): Steps<void> {
  const word = kvm.base + KVM.srcuWorkers;
  if (cpu.stepped && cpu.stops(Op.Add, word)) yield;
  cpu.add(word, -1);
  cpu.notify(word);
}

/** synchronize_srcu(): waits until every read section that may have seen the old state has ended. */
export function* synchronizeSrcu(kvm: Kvm, cpu: Cpu): Steps<void> {
  for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
    const word = kvm.vcpuWord(vcpu) + VCPU.srcu;
    if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
    const seen = cpu.load(word);
    if ((seen & 1) === 0) continue;
    if (cpu.stepped && cpu.stops(Op.Wait, word, seen)) yield;
    cpu.wait(word, seen);
  }
  if (!kvm.config.srcuWorkers) return;
  const workers = kvm.base + KVM.srcuWorkers;
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, workers)) yield;
    const inside = cpu.load(workers);
    if (inside === 0) return;
    if (cpu.stepped && cpu.stops(Op.Wait, workers, inside)) yield;
    cpu.wait(workers, inside);
  }
}
