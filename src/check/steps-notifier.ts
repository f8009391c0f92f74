/** The MMU notifier (kernel-facts 5.4, Q52, D7): what it counts, and that nobody can use a frame after its unmapping. */
import type { Cpu } from '../cpu/cpu.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { hex } from './naming.ts';
import { StepCheckBase } from './step-check.ts';
import { tlbCursor } from './tlb-cursor.ts';
import type { StepCheckFamily } from './types.ts';

class Notifier extends StepCheckBase {
  private running = 0;
  private ended = 0;
  /** What the boot left. */
  private endedBefore = 0;

  override begin(kvm: Kvm): void {
    this.running = 0;
    this.ended = 0;
    this.endedBefore = kvm.get(KVM.invalidatesEnded);
  }

  override invalidate(cpu: Cpu, start: number, end: number, phase: 'begin' | 'unmapped' | 'end'): void {
    if (phase === 'begin') this.running++;
    else if (phase === 'end') {
      this.running--;
      this.ended++;
    } else this.checkTlbs(cpu, start, end);
  }

  /** D7: the frames may be given to somebody else as soon as the notifier has returned. */
  private checkTlbs(cpu: Cpu, start: number, end: number): void {
    const { kvm } = this;
    const cursor = tlbCursor(kvm);
    while (cursor.next(0)) {
      const pages = kvm.pages(cursor.level);
      for (let gfn = start; gfn < end; gfn++) {
        const slot = kvm.slotOf(gfn);
        if (slot === undefined || !slot.hostPresent(gfn)) continue;
        const pfn = slot.pfn(gfn);
        if (pfn < cursor.pfn || pfn >= cursor.pfn + pages) continue;
        this.report(
          cpu,
          'D7',
          `${cpu.name} has unmapped gfn ${hex(gfn)}, and ${cursor.label} still leads to its frame ${hex(pfn)}`,
          [cursor.word],
        );
        return;
      }
    }
  }

  override writeReleased(cpu: Cpu): void {
    this.checkCounts(cpu);
  }

  /** Q52 at the end of a write section, in which each notifier changes all of its words together. */
  private checkCounts(cpu: Cpu | undefined): void {
    const { kvm } = this;
    const words = [kvm.base + KVM.invalidateInProgress, kvm.base + KVM.invalidateSeq];
    const inProgress = kvm.get(KVM.invalidateInProgress);
    if (inProgress !== this.running) {
      this.report(
        cpu,
        'Q52',
        `mmu_invalidate_in_progress is ${inProgress}, and ${this.running} notifiers run`,
        words,
      );
    }
    const mask = kvm.config.seqBits >= 31 ? 0x7fffffff : (1 << kvm.config.seqBits) - 1;
    const seq = kvm.get(KVM.invalidateSeq);
    if (((seq ^ (this.ended + this.endedBefore)) & mask) === 0) return;
    this.report(
      cpu,
      'Q52',
      `mmu_invalidate_seq is ${seq}, and ${this.ended + this.endedBefore} invalidations have ended`,
      words,
    );
  }

  override atEnd(kvm: Kvm): void {
    this.checkCounts(undefined);
    const active = kvm.get(KVM.activeInvalidates);
    if (active === 0) return;
    this.report(undefined, 'Q52', `mn_active_invalidate_count is ${active} with no notifier running`, [
      kvm.base + KVM.activeInvalidates,
    ]);
  }
}

export const notifierCounts: StepCheckFamily = {
  ids: ['Q52', 'D7'],
  make: (kvm, broken) => new Notifier(kvm, broken),
};
