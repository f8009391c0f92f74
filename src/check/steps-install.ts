/**
 * What a fault installs (kernel-facts 5.2 step 4, 5.3, D1, D17 to D19): through a root that is still good, of a frame that is
 * still there, and in a logged slot never writable before the page is in the log.
 */
import { type Cpu, HELD_MMU_READ, HELD_MMU_WRITE } from '../cpu/cpu.ts';
import {
  ACC_TRACK_SAVED_LO,
  ACC_TRACK_SHIFT_HI,
  isShadowPresent,
  isWritable,
  SPTE_AD_DISABLED_HI,
  SPTE_AD_MASK_HI,
  SPTE_W,
} from '../mmu/format.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { roleDirect, roleInvalid, roleLevel } from '../mmu/role.ts';
import { isObsolete, pageGetGfn, spRole, spteIndex, sptepToSp } from '../mmu/shadow-page.ts';
import { clear } from './clear.ts';
import { isFullyLogged } from './dirty-tdp.ts';
import { hex, pageName, spteText, sptepName } from './naming.ts';
import { PerActor, type StepBroken, StepCheckBase } from './step-check.ts';
import type { StepCheckFamily } from './types.ts';

/** What an actor has made writable and what it has put into the log, since it entered its section. */
class Section {
  readonly writable: number[] = [];
  /** The fast path marks after it has changed the entry: due before the vCPU enters the guest again. */
  readonly fast: number[] = [];
  readonly marked: number[] = [];

  reset(): void {
    clear(this.writable);
    clear(this.fast);
    clear(this.marked);
  }
}

class Installs extends StepCheckBase {
  private readonly sections: PerActor<Section>;
  /** Ranges that kvm_zap_gfn_range() is going over. */
  private readonly zapped: (readonly [start: number, end: number])[] = [];

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.sections = new PerActor(kvm, () => new Section());
  }

  override begin(): void {
    this.sections.reset();
    clear(this.zapped);
  }

  override zapRange(_cpu: Cpu, start: number, end: number, begin: boolean): void {
    if (begin) this.zapped.push([start, end]);
    else {
      const at = this.zapped.findIndex(([first, last]) => first === start && last === end);
      this.zapped.splice(at, 1);
    }
  }

  override installed(cpu: Cpu, rootSp: number, sptep: number, seq: number): void {
    const { kvm } = this;
    const sp = sptepToSp(kvm, sptep);
    const lo = kvm.w[sptep * 2]!;
    if (sp === 0 || !isShadowPresent(lo)) return;
    const level = roleLevel(spRole(kvm, sp));
    const gfn = pageGetGfn(kvm, sp, spteIndex(kvm, sptep));
    if (rootSp === 0 || this.isStaleRoot(rootSp)) {
      this.report(
        cpu,
        'D17',
        `${cpu.name} installed ${sptepName(kvm, sptep)} though its root, ${pageName(kvm, rootSp)}, is obsolete`,
        [sptep * 2],
      );
    }
    const now = kvm.get(KVM.invalidateSeq);
    const inRange =
      kvm.get(KVM.invalidateInProgress) !== 0 &&
      gfn < kvm.get(KVM.invalidateEnd) &&
      gfn + kvm.pages(level) > kvm.get(KVM.invalidateStart);
    if (seq !== now || inRange) {
      this.report(
        cpu,
        'D17',
        `${cpu.name} installed gfn ${hex(gfn)} as it found it under mmu_invalidate_seq ${seq}, ` +
          (inRange ? 'and an invalidation of it is in progress' : `which is ${now} by now`),
        [sptep * 2, kvm.base + KVM.invalidateSeq],
      );
    }
    if (this.zapped.some(([start, end]) => gfn < end && gfn + kvm.pages(level) > start)) {
      this.report(
        cpu,
        'D17',
        `${cpu.name} installed gfn ${hex(gfn)} while kvm_zap_gfn_range() is going over it`,
        [sptep * 2],
      );
    }
    if (isWritable(lo)) this.madeWritable(this.sections.of(cpu).writable, gfn);
  }

  private isStaleRoot(rootSp: number): boolean {
    const role = spRole(this.kvm, rootSp);
    // Roots of the TDP MMU are direct; their generation is in their validity.
    return roleInvalid(role) || (!roleDirect(role) && isObsolete(this.kvm, rootSp));
  }

  private madeWritable(list: number[], gfn: number): void {
    const slot = this.kvm.slotOf(gfn);
    if (slot === undefined || !isFullyLogged(this.kvm, slot)) return;
    if (!list.includes(gfn)) list.push(gfn);
  }

  /** D1: without mmu_lock the fast path gives W back, or R, W and X where access tracking had taken them (5.3). */
  override fastPageFault(
    cpu: Cpu,
    gfn: number,
    _access: number,
    oldLo: number,
    oldHi: number,
    lo: number,
    hi: number,
  ): void {
    const f = this.kvm.format;
    const tracked = (oldHi & SPTE_AD_MASK_HI) === SPTE_AD_DISABLED_HI;
    const mayLo = tracked ? ACC_TRACK_SAVED_LO | SPTE_W : SPTE_W;
    const mayHi = tracked ? ACC_TRACK_SAVED_LO << ACC_TRACK_SHIFT_HI : 0;
    if (((oldLo ^ lo) & ~mayLo) === 0 && ((oldHi ^ hi) & ~mayHi) === 0) return;
    this.report(
      cpu,
      'D1',
      `${cpu.name} took the ${f.name} entry of gfn ${hex(gfn)} from ${spteText(oldLo, oldHi)} to ${spteText(lo, hi)} without mmu_lock`,
    );
  }

  override fastFixed(cpu: Cpu, sptep: number, gfn: number, lo: number): void {
    const { kvm } = this;
    if (!roleDirect(spRole(kvm, sptepToSp(kvm, sptep)))) {
      this.report(
        cpu,
        'D1',
        `${cpu.name} changed ${sptepName(kvm, sptep)}, no direct page's, without mmu_lock`,
        [sptep * 2],
      );
    }
    if (!isWritable(lo)) return;
    const level = roleLevel(spRole(kvm, sptepToSp(kvm, sptep)));
    const slot = kvm.slotOf(gfn);
    if (slot === undefined || !isFullyLogged(kvm, slot)) return;
    if (level > 1) {
      this.report(
        cpu,
        'D18',
        `${cpu.name} made ${sptepName(kvm, sptep)}, a level-${level} page of logged slot ${slot.config.id}, writable without mmu_lock`,
        [sptep * 2],
      );
      return;
    }
    this.sections.of(cpu).fast.push(gfn);
  }

  override dirtied(cpu: Cpu, _slot: number, gfn: number): void {
    const section = this.sections.of(cpu);
    const at = section.fast.indexOf(gfn);
    if (at >= 0) section.fast.splice(at, 1);
    if ((cpu.held & (HELD_MMU_READ | HELD_MMU_WRITE)) !== 0) section.marked.push(gfn);
  }

  override writeReleased(cpu: Cpu): void {
    this.endSection(cpu);
  }

  override readReleased(cpu: Cpu): void {
    this.endSection(cpu);
  }

  private endSection(cpu: Cpu): void {
    const section = this.sections.of(cpu);
    for (const gfn of section.writable) {
      if (!section.marked.includes(gfn) && !this.isInBitmap(gfn))
        this.reportUnmarked(cpu, gfn, 'drops mmu_lock');
    }
    clear(section.writable);
    clear(section.marked);
  }

  /** Set before, and nobody harvested it: a harvest would have taken W again. */
  private isInBitmap(gfn: number): boolean {
    const { kvm } = this;
    const slot = kvm.slotOf(gfn);
    if (slot === undefined || kvm.config.ringEntries > 0) return slot === undefined;
    const page = gfn - slot.baseGfn;
    return (kvm.w[slot.layout.dirtyBitmap + (page >>> 5)]! & (1 << (page & 31))) !== 0;
  }

  override guestEntering(cpu: Cpu): void {
    const section = this.sections.of(cpu);
    for (const gfn of section.fast) this.reportUnmarked(cpu, gfn, 'enters the guest');
    clear(section.fast);
  }

  private reportUnmarked(cpu: Cpu, gfn: number, when: string): void {
    this.report(
      cpu,
      'D19',
      `${cpu.name} made gfn ${hex(gfn)} writable and ${when}, and the page is not in the log`,
    );
  }
}

export const installs: StepCheckFamily = {
  ids: ['D1', 'D17', 'D18', 'D19'],
  make: (kvm, broken) => new Installs(kvm, broken),
};
