/** A vCPU's shared words, its guest mode and its requests (kernel-facts 2.8, 5.5, D26). */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import type { Kvm } from './kvm.ts';
import { vcpuCaches, type VcpuCaches } from './memory-cache.ts';
import { tlbFlushAll } from './tlb.ts';
import {
  IN_GUEST_MODE,
  MODE_MASK,
  OUTSIDE_GUEST_MODE,
  REQ_FREE_OBSOLETE_ROOTS,
  REQ_PAUSE,
  REQ_TLB_FLUSH,
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

  constructor(kvm: Kvm, cpu: Cpu, index: number) {
    this.kvm = kvm;
    this.cpu = cpu;
    this.index = index;
    this.base = kvm.vcpuWord(index);
    this.caches = vcpuCaches(kvm, index);
    this.walker = new GuestWalker();
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
 * @returns false if the vCPU must not enter: the root went away or user space asked for a pause
 */
export function* enterGuest(vcpu: Vcpu): Steps<boolean> {
  const { cpu, kvm } = vcpu;
  const { w } = kvm;
  const requests = vcpu.word(VCPU.requests);
  const mode = vcpu.word(VCPU.mode);
  for (;;) {
    if (cpu.stepped) yield cpu.at(Op.Load, requests);
    let pending = cpu.load(requests);
    if (pending !== 0) {
      if (cpu.stepped) yield cpu.at(Op.And, requests);
      cpu.and(requests, ~pending);
      if ((pending & REQ_TLB_FLUSH) !== 0) tlbFlushAll(vcpu);
      if ((pending & REQ_FREE_OBSOLETE_ROOTS) !== 0) yield* kvm.engine.freeObsoleteRoots(vcpu);
      if ((pending & REQ_PAUSE) !== 0) return false;
    }
    if (vcpu.rootSp === 0) return false;
    const session = (w[mode]! & ~MODE_MASK) + SESSION_STEP;
    if (cpu.stepped) yield cpu.at(Op.Store, mode);
    cpu.store(mode, session | IN_GUEST_MODE);
    kvm.observer.guestEntering(cpu, vcpu.index);
    if (cpu.stepped) yield cpu.at(Op.Load, requests);
    pending = cpu.load(requests);
    if (pending === 0) {
      cpu.count(C.guestEntries);
      kvm.observer.guestEntered(cpu, vcpu.index);
      return true;
    }
    if (cpu.stepped) yield cpu.at(Op.Store, mode);
    cpu.store(mode, session | OUTSIDE_GUEST_MODE);
    cpu.notify(mode);
  }
}

/** The vCPU leaves guest mode: after this store a requester's IPI counts as acknowledged (kernel-facts 5.5). */
export function* exitGuest(vcpu: Vcpu): Steps<void> {
  const { cpu, kvm } = vcpu;
  const mode = vcpu.word(VCPU.mode);
  const session = kvm.w[mode]! & ~MODE_MASK;
  if (cpu.stepped) yield cpu.at(Op.Store, mode);
  cpu.store(mode, session | OUTSIDE_GUEST_MODE);
  cpu.notify(mode);
}

/** srcu_read_lock() around a fault: memslot flags loaded inside are pinned (kernel-facts 3.1, 3.2). */
export function* srcuReadLock(vcpu: Vcpu): Steps<void> {
  const { cpu } = vcpu;
  const word = vcpu.word(VCPU.srcu);
  if (cpu.stepped) yield cpu.at(Op.Add, word);
  cpu.add(word, 1);
}

export function* srcuReadUnlock(vcpu: Vcpu): Steps<void> {
  const { cpu } = vcpu;
  const word = vcpu.word(VCPU.srcu);
  if (cpu.stepped) yield cpu.at(Op.Add, word);
  cpu.add(word, 1);
  cpu.notify(word);
}

/** synchronize_srcu(): waits until every read section that may have seen the old state has ended. */
export function* synchronizeSrcu(kvm: Kvm, cpu: Cpu): Steps<void> {
  for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
    const word = kvm.vcpuWord(vcpu) + VCPU.srcu;
    if (cpu.stepped) yield cpu.at(Op.Load, word);
    const seen = cpu.load(word);
    if ((seen & 1) === 0) continue;
    if (cpu.stepped) yield cpu.at(Op.Wait, word, seen);
    cpu.wait(word, seen);
  }
}
