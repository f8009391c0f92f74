/**
 * Step checks of one split (kernel-facts 3.7 to 3.10): what the child holds once it is linked. Q34, Q35, D16, D22.
 *
 * Which entries the split filled is known from a look at the child before: the ones that were present stay as they are.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import {
  ACC_EXEC,
  ACC_TRACK_SHIFT_HI,
  isLarge,
  isShadowPresent,
  SPTE_AD_DISABLED_HI,
  SPTE_AD_MASK_HI,
  SPTE_PS,
  sptePfn,
} from '../mmu/format.ts';
import { hardwarePerm } from '../mmu/hardware.ts';
import type { Kvm } from '../mmu/kvm.ts';
import type { FlushReason } from '../mmu/observer.ts';
import { roleAccess, roleLevel } from '../mmu/role.ts';
import { pageGetGfn, spGfn, spRole, spteIndex, sptepOf, sptepToSp } from '../mmu/shadow-page.ts';
import { spteTable } from '../mmu/spte.ts';
import { TLB_X } from '../mmu/tlb.ts';
import { hex, spteText, sptepName } from './naming.ts';
import { PerActor, type StepBroken, StepCheckBase } from './step-check.ts';
import { permText } from './tlb-cursor.ts';
import type { StepCheckFamily } from './types.ts';

const ABSENT = 0;
const PRESENT = 1;
const VICTIM = 2;

/** The split an actor is in. */
class Split {
  /** 0 outside of a split. */
  hugeSptep = 0;
  gfn = 0;
  /** A flush that began after the huge SPTE was dropped covers what the split left unmapped (3.7). */
  flushed = false;
  /** A linked child has holes that no flush has covered yet: sptep of the first. Due before mmu_lock is dropped. */
  owed = 0;
  /** Entries of the child: absent, present before the split, or emptied by it as recycle victims. */
  readonly entries: Uint8Array;

  constructor(entries: number) {
    this.entries = new Uint8Array(entries);
  }

  reset(): void {
    this.hugeSptep = 0;
    this.owed = 0;
  }
}

class SplitContents extends StepCheckBase {
  private readonly splits: PerActor<Split>;
  /** What entry 0 of the child must be. */
  private wantLo = 0;
  private wantHi = 0;

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.splits = new PerActor(kvm, () => new Split(kvm.entries));
  }

  override begin(): void {
    this.splits.reset();
  }

  override splitChild(cpu: Cpu, hugeSptep: number, sp: number): void {
    const { kvm } = this;
    const split = this.splits.of(cpu);
    split.hugeSptep = hugeSptep;
    split.gfn = pageGetGfn(kvm, sptepToSp(kvm, hugeSptep), spteIndex(kvm, hugeSptep));
    split.flushed = false;
    const word = sptepOf(kvm, sp, 0) * 2;
    for (let i = 0; i < kvm.entries; i++)
      split.entries[i] = isShadowPresent(kvm.w[word + i * 2]!) ? PRESENT : ABSENT;
  }

  override flush(cpu: Cpu, reason: FlushReason, gfn: number, pages: number): void {
    const split = this.splits.of(cpu);
    split.owed = 0;
    if (split.hugeSptep === 0) return;
    if (reason === 'recycle') split.entries[(gfn - split.gfn) / pages] = VICTIM;
    if (!isLarge(this.kvm.w[split.hugeSptep * 2]!)) split.flushed = true;
  }

  override splitLinked(cpu: Cpu, hugeSptep: number, sp: number, lo: number, hi: number): void {
    const { kvm } = this;
    const split = this.splits.of(cpu);
    if (split.hugeSptep !== hugeSptep) return; // no splitChild: nothing is known of the child
    const role = spRole(kvm, sp);
    const level = roleLevel(role);
    const linkedLo = kvm.w[hugeSptep * 2]!;
    if (
      isLarge(linkedLo) ||
      spteTable(kvm, linkedLo, kvm.w[hugeSptep * 2 + 1]!) << kvm.tableBits !==
        sptepOf(kvm, sp, 0) - kvm.tablesQ
    ) {
      this.report(cpu, 'D22', `${sptepName(kvm, hugeSptep)} does not point to the child it was split into`, [
        hugeSptep * 2,
      ]);
    }
    const mayExec = level === 1 && (roleAccess(role) & ACC_EXEC) !== 0 && kvm.config.nxHugePages;
    this.expect(lo, hi, level, mayExec);
    if (spGfn(kvm, sp) !== split.gfn) {
      this.report(cpu, 'D16', `the child of gfn ${hex(split.gfn)} maps gfn ${hex(spGfn(kvm, sp))} on`, [
        hugeSptep * 2,
        kvm.header(sp),
      ]);
    }
    const hugePerm = hardwarePerm(kvm, lo, hi) | (mayExec ? TLB_X : 0);
    const hugePfn = sptePfn(lo, hi);
    const step = kvm.pages(level);
    let holes = 0;
    let firstHole = 0;
    let unexplained = 0;
    for (let i = 0; i < kvm.entries; i++) {
      const sptep = sptepOf(kvm, sp, i);
      const childLo = kvm.w[sptep * 2]!;
      const childHi = kvm.w[sptep * 2 + 1]!;
      const present = isShadowPresent(childLo);
      if (!present) {
        holes += step;
        if (firstHole === 0) firstHole = sptep;
        if (unexplained === 0 && split.entries[i] !== VICTIM) unexplained = sptep;
      } else if (level > 1 && !isLarge(childLo)) {
        const below = this.holesBelow(cpu, childLo, childHi, hugePfn + i * step);
        holes += below;
        if (below > 0 && firstHole === 0) firstHole = sptep;
      } else if (sptePfn(childLo, childHi) !== hugePfn + i * step) {
        this.report(
          cpu,
          'Q35',
          `${sptepName(kvm, sptep)} maps frame ${hex(sptePfn(childLo, childHi))} where the huge page mapped ${hex(hugePfn + i * step)}`,
          [sptep * 2],
        );
      }
      if (present && split.entries[i] === ABSENT)
        this.checkFilled(cpu, sptep, i * step, childLo, childHi, hugePerm);
    }
    split.hugeSptep = 0;
    if (unexplained !== 0) {
      this.report(
        cpu,
        'Q35',
        `after a split ${sptepName(kvm, unexplained)} maps nothing, and it was not recycled`,
        [unexplained * 2],
      );
    }
    if (holes === 0) return;
    cpu.count(C.holesLeft, holes);
    if (!split.flushed) split.owed = firstHole;
  }

  override writeReleased(cpu: Cpu): void {
    const split = this.splits.of(cpu);
    if (split.owed === 0) return;
    this.report(
      cpu,
      'Q35',
      `a split left holes from ${sptepName(this.kvm, split.owed)} on and no flush came after the huge SPTE was dropped`,
      [split.owed * 2],
    );
    split.owed = 0;
  }

  /** 3.9, in the check's own words. */
  private expect(hugeLo: number, hugeHi: number, level: number, mayExec: boolean): void {
    const f = this.kvm.format;
    this.wantLo = level === 1 ? hugeLo & ~SPTE_PS : hugeLo;
    this.wantHi = hugeHi;
    if (!mayExec) return;
    const tracked =
      f.name === 'ept' && (hugeLo & 7) === 0 && (hugeHi & SPTE_AD_MASK_HI) === SPTE_AD_DISABLED_HI;
    if (tracked) this.wantHi |= f.execLo << ACC_TRACK_SHIFT_HI;
    else {
      this.wantLo |= f.execLo;
      this.wantHi &= ~f.nxHi;
    }
  }

  /** Q34 and D16 of an entry that the split wrote. Hardware may have set A and D since, in a child that was shared. */
  private checkFilled(
    cpu: Cpu,
    sptep: number,
    offset: number,
    lo: number,
    hi: number,
    hugePerm: number,
  ): void {
    const { kvm } = this;
    const f = kvm.format;
    const ad = f.accessedLo | f.dirtyLo;
    const wantLo = this.wantLo + (offset << 12);
    if (((lo ^ wantLo) & ~ad) !== 0 || (wantLo & ~lo & ad) !== 0 || hi !== this.wantHi) {
      this.report(
        cpu,
        'Q34',
        `${sptepName(kvm, sptep)} is ${spteText(lo, hi)} where the huge page makes it ${spteText(wantLo, this.wantHi)}`,
        [sptep * 2],
      );
    }
    const added = hardwarePerm(kvm, lo, hi) & ~hugePerm;
    if (added !== 0) {
      this.report(
        cpu,
        'D16',
        `${sptepName(kvm, sptep)} permits ${permText(added)}, which the huge page did not`,
        [sptep * 2],
      );
    }
  }

  /** Pages that a table kept by a reused child leaves unmapped. */
  private holesBelow(cpu: Cpu, lo: number, hi: number, pfn: number): number {
    const { kvm } = this;
    const table = spteTable(kvm, lo, hi);
    if (table <= 0 || table > kvm.layout.dims.tables) return 0;
    const first = kvm.tablesQ + (table << kvm.tableBits);
    let holes = 0;
    for (let i = 0; i < kvm.entries; i++) {
      const leafLo = kvm.w[(first + i) * 2]!;
      if (!isShadowPresent(leafLo)) holes++;
      else if (sptePfn(leafLo, kvm.w[(first + i) * 2 + 1]!) !== pfn + i) {
        this.report(cpu, 'Q35', `${sptepName(kvm, first + i)} maps another frame than the huge page did`, [
          (first + i) * 2,
        ]);
        return holes;
      }
    }
    return holes;
  }
}

export const splitContents: StepCheckFamily = {
  ids: ['Q34', 'Q35', 'D16', 'D22'],
  make: (kvm, broken) => new SplitContents(kvm, broken),
};
