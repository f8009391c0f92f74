/** Step checks of rules that need one moment of one actor: D3 at the topup, D26 at the entry into the guest. */
import { type Cpu, HELD_MMU_READ, HELD_MMU_WRITE } from '../cpu/cpu.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { VCPU } from '../mmu/vcpu-words.ts';
import { type StepBroken, StepCheckBase } from './step-check.ts';
import type { StepCheckFamily } from './types.ts';

class SleepingAllocation extends StepCheckBase {
  override begin(): void {}

  override topup(cpu: Cpu): void {
    if ((cpu.held & (HELD_MMU_WRITE | HELD_MMU_READ)) === 0) return;
    this.report(cpu, 'D3', `${cpu.name} filled the split caches, which may sleep, with mmu_lock held`, [
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
