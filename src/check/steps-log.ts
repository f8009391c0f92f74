/** Step checks at the ends of sections: D10 when mmu_lock is dropped, D11 when an ioctl of the dirty log returns. */
import type { Cpu } from '../cpu/cpu.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../mmu/config.ts';
import { isLarge, isShadowPresent, isWritable, SPTE_AD_MASK_HI } from '../mmu/format.ts';
import type { Kvm } from '../mmu/kvm.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import { roleDirect, roleLevel } from '../mmu/role.ts';
import { SP, spGfn, spRole } from '../mmu/shadow-page.ts';
import { TLB_DIRTY, TLB_W } from '../mmu/tlb.ts';
import { ROOT_L1 } from '../mmu/vcpu-words.ts';
import { clear } from './clear.ts';
import { isFollowedByPml, isInLog, isOnFastPath, mayBeFastFixed } from './dirty-tdp.ts';
import { HeadCursor } from './head-cursor.ts';
import { hex, sptepName } from './naming.ts';
import { hasReaders } from './quiescent.ts';
import { checkShadowedGfns } from './shadowed.ts';
import { PerActor, type StepBroken, StepCheckBase } from './step-check.ts';
import { tdpWalk } from './tdp-walk.ts';
import { gfnOfEntry, tlbCursor } from './tlb-cursor.ts';
import type { ReportBroken, StepCheckFamily } from './types.ts';

/** Gfns that became shadowed in the write section an actor is in. */
class Accounted {
  readonly gfns: number[] = [];

  reset(): void {
    clear(this.gfns);
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
    clear(gfns);
  }
}

/** The first page of [page, page + pages) that the log does not have, or -1. */
export function firstCleanPage(kvm: Kvm, slot: MemSlot, page: number, pages: number): number {
  const { w } = kvm;
  const { dirtyBitmap } = slot.layout;
  const end = Math.min(page + pages, slot.npages);
  if (kvm.config.ringEntries > 0 || kvm.config.pmlEntries > 0) {
    for (let at = Math.max(page, 0); at < end; at++) if (!isInLog(kvm, slot, slot.baseGfn + at)) return at;
    return -1;
  }
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
    if (!hasReaders(kvm)) this.checkTdpLeaves(cpu, name, slot);
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
          if (isFollowedByPml(kvm, kvm.w[sptep * 2 + 1]!) && (lo & kvm.format.dirtyLo) === 0) continue;
          if (mayBeFastFixed(kvm, sptep)) continue;
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

  /** Leaves that PML follows are seen by D, which the next write sets; others by W. */
  private checkTdpLeaves(cpu: Cpu, name: string, slot: MemSlot): void {
    const { kvm } = this;
    const walk = tdpWalk(kvm);
    if (walk === undefined) return;
    for (let p = 0; p < walk.count; p++) {
      const first = walk.firstEntry(p);
      const header = kvm.header(walk.pages[p]!);
      const level = roleLevel(kvm.w[header + SP.role]!);
      const pages = kvm.pages(level);
      if (first === 0 || !walk.isValid(p)) continue;
      for (let i = 0; i < kvm.entries; i++) {
        const lo = kvm.w[(first + i) * 2]!;
        if (!isShadowPresent(lo) || !isWritable(lo) || (level > 1 && !isLarge(lo))) continue;
        const logged = kvm.config.pmlEntries > 0 && (kvm.w[(first + i) * 2 + 1]! & SPTE_AD_MASK_HI) === 0;
        if (logged && (lo & kvm.format.dirtyLo) === 0) continue;
        const page = kvm.w[header + SP.gfn]! + i * pages - slot.baseGfn;
        if (page + pages <= 0 || page >= slot.npages) continue;
        const clean = firstCleanPage(kvm, slot, page, pages);
        if (clean < 0) continue;
        this.report(
          cpu,
          'D11',
          `${name} returns, gfn ${hex(slot.baseGfn + clean)} is clean, and ${sptepName(kvm, first + i)} maps it writable`,
          [(first + i) * 2, slot.layout.dirtyBitmap + (clean >>> 5)],
        );
        return;
      }
    }
  }

  private checkTlbs(cpu: Cpu, name: string, slot: MemSlot): void {
    const { kvm } = this;
    const entry = tlbCursor(kvm);
    while (entry.next(TLB_W)) {
      // With D-bit logging a write that still has to set D is seen.
      if ((entry.perm & TLB_DIRTY) === 0 && kvm.engine.pmlLogs(kvm.config, entry.root)) continue;
      // The fast path of one vCPU has made it writable and not marked it yet: the mark comes, and the next harvest has it (D19).
      if (entry.root === ROOT_L1 && isOnFastPath(kvm)) continue;
      const gfn = gfnOfEntry(kvm, slot, entry);
      if (gfn < 0) continue;
      const clean = firstCleanPage(kvm, slot, gfn - slot.baseGfn, kvm.pages(entry.level));
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
