/**
 * Q33 of what kernels do with the marks of the NX mitigation since 6.2: only a table that carries one keeps a fault from
 * mapping a huge page (76901e56fb51, B-43), and recovery leaves the pages of a logged slot where they are (B-59).
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { isNxDisallowed } from '../mmu/nx-list.ts';
import { SP } from '../mmu/shadow-page.ts';
import { skipDirtyTracked } from '../mmu/vm-wide-steps.ts';
import { pageName } from './naming.ts';
import { NothingToCheck, StepCheckBase } from './step-check.ts';
import type { StepCheckFamily } from './types.ts';

class NxMarksDecide extends StepCheckBase {
  override begin(): void {}

  override hugeForbidden(cpu: Cpu, sp: number): void {
    if (sp !== 0 && isNxDisallowed(this.kvm, sp)) return;
    this.say(cpu, sp, 'keeps a fault from mapping a huge page, and was not made for NX');
  }

  override nxRecovers(cpu: Cpu, sp: number): void {
    if (skipDirtyTracked(this.kvm, sp))
      this.say(cpu, sp, 'is recovered while its slot is logged: it would come back as it is');
  }

  private say(cpu: Cpu, sp: number, what: string): void {
    this.report(cpu, 'Q33', `${pageName(this.kvm, sp)} ${what}`, [this.kvm.header(sp) + SP.flags]);
  }
}

export const nxMarksDecide: StepCheckFamily = {
  ids: ['Q33'],
  make: (kvm: Kvm, broken) =>
    kvm.engine.nxMarksDecide ? new NxMarksDecide(kvm, broken) : new NothingToCheck(kvm, broken),
};
