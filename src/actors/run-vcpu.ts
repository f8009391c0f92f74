/**
 * The thread of a vCPU, whatever it runs (KVM_RUN): lets user space stop it, loads its root, enters the guest, makes the
 * guest's accesses through TLB and hardware walk, leaves when it is kicked, and takes the page faults.
 */
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { loadRoot } from '../mmu/boot.ts';
import { RET_PF_EMULATE, RET_PF_INJECT, RET_PF_RETRY } from '../mmu/errno.ts';
import { guestFault } from '../mmu/guest-fault.ts';
import { accessGuestMemory } from '../mmu/guest-memory.ts';
import { storeGuestPte } from '../mmu/guest-store.ts';
import {
  tlbNeed,
  translate,
  WALK_FORBIDDEN,
  WALK_MMIO,
  WALK_NOT_PRESENT,
  WALK_PML_FULL,
} from '../mmu/hardware.ts';
import { leaveInvept } from '../mmu/invept.ts';
import { KVM } from '../mmu/kvm.ts';
import { ACCESS_EXEC, ACCESS_WRITE } from '../mmu/shadow/walk-addr.ts';
import { tlbLookup } from '../mmu/tlb.ts';
import { enterGuest, exitGuest, type Vcpu } from '../mmu/vcpu.ts';
import { IN_GUEST_MODE, MODE_MASK, VCPU } from '../mmu/vcpu-words.ts';
import { onDirtyRingFull } from './dirty-rings.ts';

/** Values of the pause request. */
export const PAUSE = 1;
export const FINISH = 2;

/** What a guest does next. */
export class Access {
  /** Root it runs on: an EPT12 of L1, or ROOT_L1. */
  root = 0;
  /** Guest address, as a frame number: L2's under an EPT12, L1's own under ROOT_L1. */
  l2Gfn = 0;
  /** ACCESS_ bits. */
  access = 0;
  /** A page fault that nothing calls for comes first. */
  spurious = false;
  /** Not an access but something that exits: `Guest.outside` does it. */
  outside = false;
  /** True once it is done, or the guest has to deal with it. */
  done = true;
}

export interface Guest {
  readonly next: Access;
  /** Accesses per stay in guest mode before an exit for other reasons (timer, I/O); 0 never. */
  readonly burst: number;
  /** It ends by itself, so its accesses are progress. A guest that does not cannot keep a stuck migration alive. */
  readonly bounded: boolean;
  /** Puts what comes next into `next`; false if the guest is through. */
  advance(): boolean;
  /** One try at what must be done outside of guest mode; sets `next.done` if it was the last. */
  outside?(): Steps<void>;
}

export function* runVcpu(vcpu: Vcpu, guest: Guest): Steps<void> {
  const { kvm, cpu } = vcpu;
  const { next, bounded } = guest;
  const mode = vcpu.word(VCPU.mode);
  const pauseRequest = kvm.base + KVM.pauseRequest;
  let through = false;
  for (;;) {
    cpu.safepoint();
    if (cpu.stepped && cpu.stops(Op.Load, pauseRequest)) yield;
    const asked = cpu.load(pauseRequest);
    if (asked !== 0 && (yield* pauseOrFinish(vcpu, asked))) break;
    if (vcpu.ringFull) yield* onDirtyRingFull(vcpu);
    if (through || (next.done && !guest.advance())) {
      yield* tellPaused(vcpu);
      break;
    }
    if (next.outside) {
      yield* guest.outside!();
      continue;
    }
    if (next.root !== vcpu.rootIndex) yield* loadRoot(vcpu, next.root);
    if (vcpu.rootSp === 0) yield* loadRoot(vcpu, next.root);
    if (!(yield* enterGuest(vcpu))) continue;

    let refused = 0;
    for (let stay = guest.burst; ; stay--) {
      // An interrupt is taken between two instructions: that is where a kick is seen.
      if (cpu.stepped && cpu.stops(Op.Load, mode)) yield;
      if ((cpu.load(mode) & MODE_MASK) !== IN_GUEST_MODE) break;
      if (next.spurious) {
        next.spurious = false;
        refused = cpu.choose(2) === 0 ? WALK_NOT_PRESENT : WALK_FORBIDDEN;
        break;
      }
      let pfn = tlbLookup(vcpu, next.root, next.l2Gfn, tlbNeed(next.access));
      if (pfn < 0) pfn = yield* translate(vcpu, next.l2Gfn, next.access);
      if (pfn < 0) {
        refused = pfn;
        break;
      }
      if (next.access === ACCESS_WRITE) {
        if (vcpu.store.q !== 0) yield* storeGuestPte(vcpu, next.l2Gfn);
        if (cpu.stepped && cpu.stops(Op.Add, kvm.layout.memory + pfn)) yield;
        accessGuestMemory(vcpu, next.l2Gfn, pfn, true);
        cpu.count(C.guestWrites);
      } else {
        if (cpu.stepped && cpu.stops(Op.Load, kvm.layout.memory + pfn)) yield;
        accessGuestMemory(vcpu, next.l2Gfn, pfn, false);
        cpu.count(next.access === ACCESS_EXEC ? C.guestFetches : C.guestReads);
      }
      next.done = true;
      if (bounded) kvm.observer.progress(cpu);
      if (stay === 1) break;
      if (!guest.advance()) {
        through = true;
        break;
      }
      if (next.outside || next.root !== vcpu.rootIndex) break;
    }
    yield* exitGuest(vcpu);
    if (refused !== 0 && refused !== WALK_PML_FULL) {
      const result = yield* guestFault(
        vcpu,
        next.l2Gfn,
        next.access,
        refused === WALK_FORBIDDEN,
        refused === WALK_MMIO,
      );
      if (result === RET_PF_INJECT || result === RET_PF_EMULATE) next.done = true;
      // Where threads share cores, whoever invalidates gets a chance before the next try.
      else if (result === RET_PF_RETRY) cpu.relax(kvm.base + KVM.invalidateSeq);
    }
  }
  if (kvm.config.l1Vcpus > 0) yield* leaveInvept(vcpu);
}

/** Out of KVM_RUN while user space asks for it. Returns true if the actor is to end. */
function* pauseOrFinish(vcpu: Vcpu, asked: number): Steps<boolean> {
  const { kvm, cpu } = vcpu;
  const request = kvm.base + KVM.pauseRequest;
  yield* tellPaused(vcpu);
  if (asked === FINISH) return true;
  if (cpu.stepped && cpu.stops(Op.Wait, request, asked)) yield;
  cpu.wait(request, asked);
  const paused = kvm.base + KVM.paused;
  if (cpu.stepped && cpu.stops(Op.Add, paused)) yield;
  cpu.add(paused, -1);
  return false;
}

/** One more vCPU is out of KVM_RUN. */
function* tellPaused(vcpu: Vcpu): Steps<void> {
  const { kvm, cpu } = vcpu;
  const paused = kvm.base + KVM.paused;
  if (cpu.stepped && cpu.stops(Op.Add, paused)) yield;
  cpu.add(paused, 1);
  cpu.notify(paused);
}
