/**
 * D9: the machine-check condition that the iTLB multihit mitigation is about (kernel-facts 6.5, 9.5): a processor that
 * holds an executable large and an executable small translation of one address at once.
 *
 * With the mitigation on, an executable large entry is a violation in itself. With it off the exposure is counted, in
 * occurrences and in steps until the vCPU flushes or the large entry is replaced: the quantity of claim C9.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { liveEpoch, TLB, TLB_X } from '../mmu/tlb.ts';
import { TLB_ENTRY_WORDS } from '../arena/layout.ts';
import { hex } from './naming.ts';
import { type StepBroken, StepCheckBase } from './step-check.ts';
import type { StepCheckFamily } from './types.ts';

const CLOSED = -1;

class Multihit extends StepCheckBase {
  /** Since when each vCPU is exposed, or CLOSED. */
  private readonly since: Float64Array;

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.since = new Float64Array(kvm.config.vcpus).fill(CLOSED);
  }

  override begin(): void {
    this.since.fill(CLOSED);
  }

  override tlbFilled(cpu: Cpu, vcpu: number, word: number): void {
    const { kvm } = this;
    if ((kvm.w[word + TLB.perm]! & TLB_X) === 0) {
      if (this.since[vcpu] !== CLOSED && !this.isExposed(vcpu)) this.close(cpu, vcpu);
      return;
    }
    const level = this.levelOf(vcpu, word);
    if (level > 1 && kvm.config.nxHugePages) {
      this.report(
        cpu,
        'D9',
        `vCPU ${vcpu} holds an executable level-${level} translation of L2 gfn ${hex(kvm.w[word + TLB.tag]! << ((level - 1) * kvm.tableBits))} with the iTLB multihit mitigation on`,
        [word],
      );
    }
    const exposed = this.since[vcpu] !== CLOSED;
    if (this.overlaps(vcpu, word, level)) {
      cpu.count(C.multihits);
      if (!exposed) this.since[vcpu] = cpu.now();
    } else if (exposed && !this.isExposed(vcpu)) this.close(cpu, vcpu);
  }

  override tlbFlushed(cpu: Cpu, vcpu: number): void {
    if (this.since[vcpu] !== CLOSED) this.close(cpu, vcpu);
  }

  private close(cpu: Cpu, vcpu: number): void {
    cpu.count(C.multihitSteps, cpu.now() - this.since[vcpu]!);
    this.since[vcpu] = CLOSED;
  }

  private levelOf(vcpu: number, word: number): number {
    return 1 + Math.floor((word - this.kvm.tlbBase(vcpu)) / this.kvm.tlbLevelWords);
  }

  /** True if the vCPU holds an executable translation of another size for an address of the entry at `word`. */
  private overlaps(vcpu: number, word: number, level: number): boolean {
    const { kvm } = this;
    const { w, tableBits } = kvm;
    const epoch = liveEpoch(kvm, vcpu);
    const first = w[word + TLB.tag]! << ((level - 1) * tableBits);
    const end = first + kvm.pages(level);
    for (let other = 1; other <= 3; other++) {
      if (other === level) continue;
      const base = kvm.tlbBase(vcpu) + (other - 1) * kvm.tlbLevelWords;
      for (let at = base; at < base + kvm.tlbLevelWords; at += TLB_ENTRY_WORDS) {
        if (w[at + TLB.epoch] !== epoch || (w[at + TLB.perm]! & TLB_X) === 0) continue;
        if (w[at + TLB.root] !== w[word + TLB.root]) continue;
        const from = w[at + TLB.tag]! << ((other - 1) * tableBits);
        if (from < end && from + kvm.pages(other) > first) return true;
      }
    }
    return false;
  }

  private isExposed(vcpu: number): boolean {
    const { kvm } = this;
    const epoch = liveEpoch(kvm, vcpu);
    for (let level = 2; level <= 3; level++) {
      const base = kvm.tlbBase(vcpu) + (level - 1) * kvm.tlbLevelWords;
      for (let at = base; at < base + kvm.tlbLevelWords; at += TLB_ENTRY_WORDS) {
        if (kvm.w[at + TLB.epoch] !== epoch || (kvm.w[at + TLB.perm]! & TLB_X) === 0) continue;
        if (this.overlaps(vcpu, at, level)) return true;
      }
    }
    return false;
  }
}

export const multihit: StepCheckFamily = {
  ids: ['D9'],
  make: (kvm, broken) => new Multihit(kvm, broken),
};
