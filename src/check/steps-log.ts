/** Step checks at the ends of sections: D10 when mmu_lock is dropped, D11 when an ioctl of the dirty log returns. */
import type { Cpu } from '../cpu/cpu.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../mmu/config.ts';
import { isShadowPresent, isWritable } from '../mmu/format.ts';
import type { Kvm } from '../mmu/kvm.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import { roleDirect } from '../mmu/role.ts';
import { spGfn, spRole } from '../mmu/shadow-page.ts';
import { TLB_W } from '../mmu/tlb.ts';
import { HeadCursor } from './head-cursor.ts';
import { hex, sptepName } from './naming.ts';
import { checkShadowedGfns } from './shadowed.ts';
import { PerActor, type StepBroken, StepCheckBase } from './step-check.ts';
import { slotOfPfn, tlbCursor } from './tlb-cursor.ts';
import type { ReportBroken, StepCheckFamily } from './types.ts';

/** Gfns that became shadowed in the write section an actor is in. */
class Accounted {
  readonly gfns: number[] = [];

  reset(): void {
    this.gfns.length = 0;
  }
}

class ShadowedAtRelease extends StepCheckBase {
  private readonly sections: PerActor<Accounted>;
  private running: Cpu | undefined;
  private readonly reportBroken: ReportBroken = (id, text, words) =>
    this.report(this.running, id, text, words);

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.sections = new PerActor(kvm, () => new Accounted());
  }

  override begin(): void {
    this.sections.reset();
  }

  override getPage(cpu: Cpu, sp: number, created: boolean): void {
    if (!created || roleDirect(spRole(this.kvm, sp))) return;
    this.sections.of(cpu).gfns.push(spGfn(this.kvm, sp));
  }

  override writeReleased(cpu: Cpu): void {
    const { gfns } = this.sections.of(cpu);
    if (gfns.length === 0) return;
    this.running = cpu;
    for (const gfn of gfns) checkShadowedGfns(this.kvm, gfn, gfn + 1, this.reportBroken);
    gfns.length = 0;
  }
}

/** The first page of [page, page + pages) whose dirty bit is clear, or -1. */
export function firstCleanPage(kvm: Kvm, slot: MemSlot, page: number, pages: number): number {
  const { w } = kvm;
  const { dirtyBitmap } = slot.layout;
  const end = Math.min(page + pages, slot.npages);
  for (let at = Math.max(page, 0); at < end;) {
    const bits = w[dirtyBitmap + (at >>> 5)]!;
    if (bits === -1) {
      at = (at | 31) + 1;
      continue;
    }
    if ((bits & (1 << (at & 31))) === 0) return at;
    at++;
  }
  return -1;
}

class ProtectedAtReturn extends StepCheckBase {
  private readonly cursor: HeadCursor;

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.cursor = new HeadCursor(kvm);
  }

  override begin(): void {}

  override ioctl(cpu: Cpu, name: string, slotId: number, begin: boolean): void {
    if (begin) return;
    const { kvm } = this;
    const slot = kvm.slots.find(({ config }) => config.id === slotId);
    if (slot === undefined) return;
    this.checkLeaves(cpu, name, slot);
    this.checkTlbs(cpu, name, slot);
  }

  private checkLeaves(cpu: Cpu, name: string, slot: MemSlot): void {
    const { kvm, cursor } = this;
    for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
      const pages = kvm.pages(level);
      const first = slot.rmapWord(slot.baseGfn, level);
      const last = slot.rmapWord(slot.baseGfn + slot.npages - 1, level);
      const offset = (slot.baseGfn & ~(pages - 1)) - slot.baseGfn;
      for (let head = first; head <= last; head++) {
        if (kvm.w[head] === 0) continue;
        for (let sptep = cursor.first(head); sptep !== 0; sptep = cursor.next()) {
          const lo = kvm.w[sptep * 2]!;
          if (!isShadowPresent(lo) || !isWritable(lo)) continue;
          const page = offset + (head - first) * pages;
          const clean = firstCleanPage(kvm, slot, page, page < 0 ? pages + page : pages);
          if (clean < 0) break;
          this.report(
            cpu,
            'D11',
            `${name} returns, gfn ${hex(slot.baseGfn + clean)} is clean, and ${sptepName(kvm, sptep)} maps it writable`,
            [sptep * 2, slot.layout.dirtyBitmap + (clean >>> 5)],
          );
          return;
        }
      }
    }
  }

  private checkTlbs(cpu: Cpu, name: string, slot: MemSlot): void {
    const { kvm } = this;
    const entry = tlbCursor(kvm);
    while (entry.next(TLB_W)) {
      if (slotOfPfn(kvm, entry.pfn) !== slot) continue;
      const clean = firstCleanPage(kvm, slot, entry.pfn - slot.config.basePfn, kvm.pages(entry.level));
      if (clean < 0) continue;
      this.report(
        cpu,
        'D11',
        `${name} returns, gfn ${hex(slot.baseGfn + clean)} is clean, and ${entry.label} can write it without a fault`,
        [entry.word, slot.layout.dirtyBitmap + (clean >>> 5)],
      );
      return;
    }
  }
}

export const shadowedAtRelease: StepCheckFamily = {
  ids: ['D10'],
  make: (kvm, broken) => new ShadowedAtRelease(kvm, broken),
};

export const protectedAtReturn: StepCheckFamily = {
  ids: ['D11'],
  make: (kvm, broken) => new ProtectedAtReturn(kvm, broken),
};
