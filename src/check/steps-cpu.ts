/** Step checks of rules that need one moment of one actor: D3 where it may sleep, D26 at the entry into the guest. */
import {
  type Cpu,
  HELD_MMU_READ,
  HELD_MMU_WRITE,
  HELD_RCU,
  HELD_TDP_PAGES,
  HELD_UNSYNC_PAGES,
} from '../cpu/cpu.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { VCPU } from '../mmu/vcpu-words.ts';
import { heldNames } from './steps-order.ts';
import { type StepBroken, StepCheckBase } from './step-check.ts';
import type { StepCheckFamily } from './types.ts';

/** What nobody may hold who sleeps: mmu_lock, the spinlocks inside it, an RCU read section. */
const ATOMIC = HELD_MMU_WRITE | HELD_MMU_READ | HELD_TDP_PAGES | HELD_UNSYNC_PAGES | HELD_RCU;

class SleepingAllocation extends StepCheckBase {
  override begin(): void {}

  override topup(cpu: Cpu): void {
    this.maySleep(cpu, 'fills the split caches');
  }

  override maySleep(cpu: Cpu, what: string): void {
    if ((cpu.held & ATOMIC) === 0) return;
    const held = heldNames(cpu.held & ATOMIC);
    this.report(cpu, 'D3', `${cpu.name} ${what}, which may sleep, and holds ${held}`, [
      this.kvm.mmuLock.cnts,
    ]);
  }
}

/**
 * The requests that stood when IN_GUEST_MODE was stored. Only the vCPU itself takes requests away, so those it still has
 * when it goes on into the guest were not honoured. Requests made after the store are the requester's: it sees the mode.
 */
class GuestEntry extends StepCheckBase {
  private readonly atStore: Int32Array;

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.atStore = new Int32Array(kvm.config.vcpus);
  }

  override begin(): void {
    this.atStore.fill(0);
  }

  override guestEntering(_cpu: Cpu, vcpu: number): void {
    this.atStore[vcpu] = this.kvm.w[this.kvm.vcpuWord(vcpu) + VCPU.requests]!;
  }

  override guestEntered(cpu: Cpu, vcpu: number): void {
    const word = this.kvm.vcpuWord(vcpu) + VCPU.requests;
    const missed = this.atStore[vcpu]! & this.kvm.w[word]!;
    if (missed === 0) return;
    this.report(
      cpu,
      'D26',
      `vCPU ${vcpu} goes into the guest with requests 0x${missed.toString(16)}, made before it said IN_GUEST_MODE`,
      [word],
    );
  }
}

export const sleepingAllocation: StepCheckFamily = {
  ids: ['D3'],
  make: (kvm, broken) => new SleepingAllocation(kvm, broken),
};

export const guestEntry: StepCheckFamily = {
  ids: ['D26'],
  make: (kvm, broken) => new GuestEntry(kvm, broken),
};
