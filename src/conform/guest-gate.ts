/** Where a vCPU in the background waits for its turn. */
import { Op, type Steps } from '../cpu/steps.ts';
import type { Vcpu } from '../mmu/vcpu.ts';

/** What a guest asks before it does something that a recording tells of. A guest that runs alone waits for nothing. */
export class GuestGate {
  /** The guest is stopped at the gate. */
  waiting = false;
  /** It is in the hands of KVM: a page fault is being handled. */
  outside = false;

  /** True if an access to the page may be tried now. */
  mayTouch(_page: number): boolean {
    return true;
  }

  /** True if what comes next may be told. */
  mayTell(): boolean {
    return true;
  }

  /** Waits until `may`; a vCPU that is in the guest answers kicks meanwhile, as somebody may wait for it to leave. */
  *pass(vcpu: Vcpu, may: () => boolean, answerKick?: () => Steps<void>): Steps<void> {
    const { cpu } = vcpu;
    while (!may()) {
      this.waiting = true;
      if (answerKick !== undefined) yield* answerKick();
      if (cpu.stepped && cpu.stops(Op.Pause, 0)) yield;
    }
    this.waiting = false;
  }
}
