/**
 * What hardware and the fast path put into entries is not lost (kernel-facts 6.2 and 6.5, Q47, D5): an entry they may
 * change is replaced by operations that read and write at once, and the host's page inherits what the value knew.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { isLarge, isMmuWritable, isShadowPresent, isWritable, sptePfn } from '../mmu/format.ts';
import { isDirtySpte } from '../mmu/host-page.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { roleDirect, roleGuestMode, roleLevel } from '../mmu/role.ts';
import { spRole, sptepToSp } from '../mmu/shadow-page.ts';
import { adEnabled } from '../mmu/spte.ts';
import { spteText, sptepName } from './naming.ts';
import { PerActor, type StepBroken, StepCheckBase } from './step-check.ts';
import type { StepCheckFamily } from './types.ts';

class Inherited {
  /** The entry whose dirty state the host's page has just inherited. */
  sptep = 0;

  reset(): void {
    this.sptep = 0;
  }
}

/** spte_has_volatile_bits(): may hardware or the fast path change this leaf of `role` right now? */
export function isVolatile(kvm: Kvm, role: number, lo: number, hi: number): boolean {
  const f = kvm.format;
  const level = roleLevel(role);
  if (!isShadowPresent(lo) || (level > 1 && !isLarge(lo))) return false;
  if (adEnabled(hi) && ((lo & f.accessedLo) === 0 || (isWritable(lo) && (lo & f.dirtyLo) === 0))) return true;
  // Only direct MMUs have a fast path: nested pages are never made writable without mmu_lock (5.3).
  return roleDirect(role) && !roleGuestMode(role) && isMmuWritable(f, lo, hi) && !isWritable(lo);
}

class VolatileBits extends StepCheckBase {
  private readonly inherited: PerActor<Inherited>;

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.inherited = new PerActor(kvm, () => new Inherited());
  }

  override begin(): void {
    this.inherited.reset();
  }

  override plainStore64(cpu: Cpu, word: number, lo: number, hi: number): void {
    const { kvm } = this;
    const table = ((word >> 1) - kvm.tablesQ) >> kvm.tableBits;
    if (word < kvm.layout.tables || table < 1 || table > kvm.layout.dims.tables) return;
    const sp = kvm.w[kvm.tableOwner + table]!;
    const oldLo = kvm.w[word]!;
    const oldHi = kvm.w[word + 1]!;
    if (sp === 0 || (oldLo === lo && oldHi === hi) || !isVolatile(kvm, spRole(kvm, sp), oldLo, oldHi)) return;
    this.report(
      cpu,
      'D5',
      `${cpu.name} stores over ${sptepName(kvm, word >> 1)}, ${spteText(oldLo, oldHi)}, which hardware or the fast path may be changing`,
      [word],
    );
  }

  override hostPageInherits(cpu: Cpu, sptep: number, _oldLo: number, _oldHi: number, dirty: boolean): void {
    if (dirty) this.inherited.of(cpu).sptep = sptep;
  }

  override spteChanged(cpu: Cpu, sptep: number, oldLo: number, oldHi: number, lo: number, hi: number): void {
    this.checkInherited(cpu, sptep, oldLo, oldHi, lo, hi);
  }

  override tdpChanged(cpu: Cpu, sptep: number, oldLo: number, oldHi: number, lo: number, hi: number): void {
    this.checkInherited(cpu, sptep, oldLo, oldHi, lo, hi);
  }

  /** Q47. */
  private checkInherited(
    cpu: Cpu,
    sptep: number,
    oldLo: number,
    oldHi: number,
    lo: number,
    hi: number,
  ): void {
    const { kvm } = this;
    const f = kvm.format;
    const record = this.inherited.of(cpu);
    const told = record.sptep === sptep;
    record.sptep = 0;
    if (told || !isDirtySpte(f, oldLo, oldHi)) return;
    if (roleLevel(spRole(kvm, sptepToSp(kvm, sptep))) > 1 && !isLarge(oldLo)) return;
    if (isDirtySpte(f, lo, hi) && sptePfn(oldLo, oldHi) === sptePfn(lo, hi)) return;
    this.report(
      cpu,
      'Q47',
      `${cpu.name} took ${sptepName(kvm, sptep)} from ${spteText(oldLo, oldHi)} to ${spteText(lo, hi)}, and the host page was not marked dirty`,
      [sptep * 2],
    );
  }
}

export const volatileBits: StepCheckFamily = {
  ids: ['Q47', 'D5'],
  make: (kvm, broken) => new VolatileBits(kvm, broken),
};
