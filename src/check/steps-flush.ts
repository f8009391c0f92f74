/**
 * D20: whoever gives mmu_lock up owes no flush, unless it is one of the deferrable kinds of kernel-facts 5.6.
 *
 * Q49 sees a flush that is missing only if somebody has a stale entry just then; this sees the debt itself. Deferrable
 * are write protection and D for the dirty log, A, a huge page that became a table with the same translations, and what
 * only an obsolete root leads to.
 */
import { type Cpu, HELD_MMU_READ } from '../cpu/cpu.ts';
import { isLarge, isMmuWritable, isShadowPresent, sptePfn } from '../mmu/format.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { roleInvalid, roleLevel } from '../mmu/role.ts';
import { isObsolete, SP, spRole, sptepToSp } from '../mmu/shadow-page.ts';
import { isTdpSp } from '../mmu/tdp/pages.ts';
import { clear } from './clear.ts';
import { covers } from './coverage.ts';
import { spteText, sptepName } from './naming.ts';
import { PerActor, type StepBroken, StepCheckBase } from './step-check.ts';
import type { StepCheckFamily } from './types.ts';

/** Changes of one section that no flush has covered: triples of sptep, low and high half of the old value. */
class Debts {
  readonly owed: number[] = [];

  reset(): void {
    clear(this.owed);
  }
}

class FlushDebts extends StepCheckBase {
  private readonly debts: PerActor<Debts>;

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.debts = new PerActor(kvm, () => new Debts());
  }

  override begin(): void {
    this.debts.reset();
  }

  override spteChanged(cpu: Cpu, sptep: number, oldLo: number, oldHi: number, lo: number, hi: number): void {
    this.changed(cpu, sptep, oldLo, oldHi, lo, hi);
  }

  override tdpChanged(cpu: Cpu, sptep: number, oldLo: number, oldHi: number, lo: number, hi: number): void {
    // The variant that tells of a zap when the flush is over has nothing to owe by then.
    if (this.kvm.engine.tdpProcessesZappedAfterFlush && (cpu.held & HELD_MMU_READ) !== 0) return;
    if (!isShadowPresent(oldLo)) return;
    // Others may change the child before this section ends: a split is judged at once.
    const level = roleLevel(spRole(this.kvm, sptepToSp(this.kvm, sptep)));
    if (isLarge(oldLo) && covers(this.kvm, sptep, level, sptePfn(oldLo, oldHi))) {
      if (!isLarge(lo)) return;
    }
    this.changed(cpu, sptep, oldLo, oldHi, lo, hi);
  }

  private changed(cpu: Cpu, sptep: number, oldLo: number, oldHi: number, lo: number, hi: number): void {
    const { kvm } = this;
    if (isShadowPresent(lo) && sptePfn(oldLo, oldHi) === sptePfn(lo, hi)) {
      // W alone may wait for the end of the ioctl; MMU-writable goes for a shadowed table (A8), or in an ioctl (E2).
      const protectedTable = isMmuWritable(kvm.format, oldLo, oldHi) && !isMmuWritable(kvm.format, lo, hi);
      if (!protectedTable || kvm.get(KVM.deferredFlush) !== 0) return;
    }
    this.debts.of(cpu).owed.push(sptep, oldLo, oldHi);
  }

  override flush(cpu: Cpu): void {
    clear(this.debts.of(cpu).owed);
  }

  override writeReleased(cpu: Cpu): void {
    this.released(cpu);
  }

  override readReleased(cpu: Cpu): void {
    this.released(cpu);
  }

  private released(cpu: Cpu): void {
    const { owed } = this.debts.of(cpu);
    // No vCPU enters the guest any more (A28).
    if (this.kvm.get(KVM.tornDown) !== 0) clear(owed);
    for (let i = 0; i < owed.length; i += 3) this.checkDebt(cpu, owed[i]!, owed[i + 1]!, owed[i + 2]!);
    clear(owed);
  }

  private checkDebt(cpu: Cpu, sptep: number, oldLo: number, oldHi: number): void {
    const { kvm } = this;
    const sp = sptepToSp(kvm, sptep);
    if (sp === 0) return; // freed: what that needs is Q51's and D8's
    if (isUnreachable(kvm, sp)) return;
    const level = roleLevel(spRole(kvm, sp));
    if ((level === 1 || isLarge(oldLo)) && covers(kvm, sptep, level, sptePfn(oldLo, oldHi))) return;
    const now = spteText(kvm.w[sptep * 2]!, kvm.w[sptep * 2 + 1]!);
    this.report(
      cpu,
      'D20',
      `${cpu.name} drops mmu_lock and has not flushed since it took ${sptepName(kvm, sptep)} from ${spteText(oldLo, oldHi)} (now ${now})`,
      [sptep * 2],
    );
  }
}

/** Zapped, or below a root that is obsolete: every vCPU reloads its root, and flushes, before it could get there (5.6). */
function isUnreachable(kvm: Kvm, sp: number): boolean {
  let root = sp;
  if (isTdpSp(kvm, sp)) {
    for (let level = 0; level < 5 && root !== 0; level++) {
      const parent = kvm.w[kvm.header(root) + SP.parentPtes]!;
      if (parent === 0) break;
      root = sptepToSp(kvm, parent);
    }
    return root === 0 || roleInvalid(spRole(kvm, root));
  }
  const role = spRole(kvm, sp);
  return roleInvalid(role) || isObsolete(kvm, sp);
}

export const flushDebts: StepCheckFamily = {
  ids: ['D20'],
  make: (kvm, broken) => new FlushDebts(kvm, broken),
};
