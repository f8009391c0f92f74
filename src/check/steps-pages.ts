/**
 * The life of a shadow page as it goes on. Q1: a page is valid when it is made (B-47). D23: a split is one of a page in use: the handler
 * passes over what was zapped (3.4). Q30: an entry that stays present keeps a permission (B-35). Q16: who has a page as a root counts
 * like a parent, so a page that loses its last parent and is in use as a root must not go with it, or vCPUs reload a root
 * that nothing was wrong with (B-48).
 */
import type { Cpu } from '../cpu/cpu.ts';
import { roleInvalid } from '../mmu/role.ts';
import { SP, spRole, spRootCount, sptepToSp } from '../mmu/shadow-page.ts';
import { isShadowPresent } from '../mmu/format.ts';
import { adEnabled } from '../mmu/spte.ts';
import { pageName, sptepName } from './naming.ts';
import { StepCheckBase } from './step-check.ts';
import type { StepCheckFamily } from './types.ts';

const EPT_RWX = 7;

class PageLives extends StepCheckBase {
  override begin(): void {}

  override getPage(cpu: Cpu, sp: number, created: boolean): void {
    const { kvm } = this;
    if (!created || !roleInvalid(spRole(kvm, sp))) return;
    this.report(cpu, 'Q1', `${pageName(kvm, sp)} was made invalid: nobody will find it`, [
      kvm.header(sp) + SP.role,
    ]);
  }

  override spteChanged(cpu: Cpu, sptep: number, oldLo: number, _oldHi: number, lo: number, hi: number): void {
    const { format } = this.kvm;
    // Access tracking takes all permissions out of an entry as well, if it has no A bit.
    if (format.name !== 'ept' || (lo & EPT_RWX) !== 0 || !isShadowPresent(lo) || !adEnabled(hi)) return;
    if (!isShadowPresent(oldLo)) return;
    this.report(cpu, 'Q30', `${sptepName(this.kvm, sptep)} stays present, and permits nothing`, [sptep * 2]);
  }

  override splitChild(cpu: Cpu, hugeSptep: number, child: number): void {
    const { kvm } = this;
    const sp = sptepToSp(kvm, hugeSptep);
    if (!roleInvalid(spRole(kvm, sp))) return;
    this.report(
      cpu,
      'D23',
      `a page is split below ${pageName(kvm, sp)}, which was zapped, into ${pageName(kvm, child)}`,
      [hugeSptep * 2, kvm.header(sp) + SP.role],
    );
  }

  override orphanZapped(cpu: Cpu, sp: number): void {
    const { kvm } = this;
    const roots = spRootCount(kvm, sp);
    if (roots === 0) return;
    this.report(cpu, 'Q16', `${pageName(kvm, sp)} went with its last parent, and is the root of ${roots}`, [
      kvm.header(sp) + SP.rootCount,
    ]);
  }
}

export const pageLives: StepCheckFamily = {
  ids: ['Q1', 'Q16', 'Q30', 'D23'],
  make: (kvm, broken) => new PageLives(kvm, broken),
};
