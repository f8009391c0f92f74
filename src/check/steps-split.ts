/**
 * Step checks of one split (kernel-facts 3.7 to 3.10): what the child holds once it is linked. Q33, Q34, Q35, D15, D16, D22.
 *
 * Which entries the split filled is known from a look at the child before: the ones that were present stay as they are.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { ACC_EXEC, isLarge, isShadowPresent, sptePfn } from '../mmu/format.ts';
import { hardwarePerm } from '../mmu/hardware.ts';
import type { Kvm } from '../mmu/kvm.ts';
import type { FlushReason } from '../mmu/observer.ts';
import { roleAccess, roleLevel } from '../mmu/role.ts';
import {
  pageGetGfn,
  SP_NX_DISALLOWED,
  spFlags,
  spGfn,
  spRole,
  spteIndex,
  sptepOf,
  sptepToSp,
} from '../mmu/shadow-page.ts';
import { spteTable } from '../mmu/spte.ts';
import { TLB_X } from '../mmu/tlb.ts';
import { hex, pageName, spteText, sptepName } from './naming.ts';
import { agedValue, splitChildValue } from './split-value.ts';
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
  /** The page that the actor has made last. */
  created = 0;
  gfn = 0;
  /** Pages of the huge page. */
  pages = 0;
  /** sptep of entry 0 of the child. */
  firstEntry = 0;
  /** A flush that began after the huge SPTE was dropped covers what the split left unmapped (3.7). */
  flushed = false;
  /** A linked child has holes that no flush has covered yet: sptep of the first. Due before mmu_lock is dropped. */
  owed = 0;
  /** Gfns of the huge pages that owe it. */
  owedStart = 0;
  owedEnd = 0;
  /** Entries of the child: absent, present before the split, or emptied by it as recycle victims. */
  readonly entries: Uint8Array;

  constructor(entries: number) {
    this.entries = new Uint8Array(entries);
  }

  reset(): void {
    this.hugeSptep = 0;
    this.created = 0;
    this.owed = 0;
  }
}

/** True if (lo, hi) is not the wanted value; bits of `ad` may have been set since. */
const differs = (ad: number, lo: number, hi: number, wantLo: number, wantHi: number): boolean =>
  ((lo ^ wantLo) & ~ad) !== 0 || (wantLo & ~lo & ad) !== 0 || hi !== wantHi;

class SplitContents extends StepCheckBase {
  private readonly splits: PerActor<Split>;
  /** The design leaves entries out by intent (the variant of 9.1's last row); it still owes the flush. */
  private get mayLeaveHoles(): boolean {
    return this.kvm.engine.profile === 'ancestor';
  }

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

  override getPage(cpu: Cpu, sp: number, created: boolean): void {
    if (created) this.splits.of(cpu).created = sp;
  }

  override splitChild(cpu: Cpu, hugeSptep: number, sp: number): void {
    const { kvm } = this;
    const split = this.splits.of(cpu);
    split.hugeSptep = hugeSptep;
    split.gfn = pageGetGfn(kvm, sptepToSp(kvm, hugeSptep), spteIndex(kvm, hugeSptep));
    split.pages = kvm.pages(roleLevel(spRole(kvm, sp)) + 1);
    split.flushed = false;
    split.firstEntry = sptepOf(kvm, sp, 0);
    const word = split.firstEntry * 2;
    for (let i = 0; i < kvm.entries; i++)
      split.entries[i] = isShadowPresent(kvm.w[word + i * 2]!) ? PRESENT : ABSENT;
  }

  override flush(cpu: Cpu, reason: FlushReason, gfn: number, pages: number): void {
    const split = this.splits.of(cpu);
    const full = pages === 0 || this.kvm.config.flushBackend === 'full';
    if (full || (gfn <= split.owedStart && gfn + pages >= split.owedEnd)) split.owed = 0;
    if (split.hugeSptep === 0) return;
    if (reason === 'recycle') this.noteVictim(split);
    const dropped = !isLarge(this.kvm.w[split.hugeSptep * 2]!);
    const within = full || (gfn <= split.gfn && gfn + pages >= split.gfn + split.pages);
    if (dropped && within) split.flushed = true;
  }

  /** The filling is in order, so the entry just recycled is the first that it has passed and that maps nothing. */
  private noteVictim(split: Split): void {
    const word = split.firstEntry * 2;
    for (let i = 0; i < this.kvm.entries; i++) {
      if (split.entries[i] !== ABSENT || isShadowPresent(this.kvm.w[word + i * 2]!)) continue;
      split.entries[i] = VICTIM;
      return;
    }
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
    const want = splitChildValue(kvm.format, lo, hi, level, mayExec);
    this.wantLo = want.lo;
    this.wantHi = want.hi;
    if (spGfn(kvm, sp) !== split.gfn) {
      this.report(cpu, 'D16', `the child of gfn ${hex(split.gfn)} maps gfn ${hex(spGfn(kvm, sp))} on`, [
        hugeSptep * 2,
        kvm.header(sp),
      ]);
    }
    // A child that was there before may be one that the NX mitigation has made.
    if (split.created === sp && (spFlags(kvm, sp) & SP_NX_DISALLOWED) !== 0) {
      this.report(cpu, 'Q33', `${pageName(kvm, sp)} was made by an eager split and is marked nx-disallowed`, [
        kvm.header(sp),
      ]);
    }
    split.created = 0;
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
        if (unexplained === 0 && split.entries[i] !== VICTIM && !this.mayLeaveHoles) unexplained = sptep;
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
    if (split.flushed) return;
    const end = split.gfn + split.pages;
    split.owedStart = split.owed === 0 ? split.gfn : Math.min(split.owedStart, split.gfn);
    split.owedEnd = split.owed === 0 ? end : Math.max(split.owedEnd, end);
    split.owed = firstHole;
  }

  override writeReleased(cpu: Cpu): void {
    const split = this.splits.of(cpu);
    if (split.hugeSptep !== 0) this.checkWindow(cpu, split);
    if (split.owed === 0) return;
    this.report(
      cpu,
      'Q35',
      `a split left holes from ${sptepName(this.kvm, split.owed)} on and no flush came after the huge SPTE was dropped`,
      [split.owed * 2],
    );
    split.owed = 0;
  }

  /** D15: between the drop of the huge SPTE and the link of the child nobody else may look. */
  private checkWindow(cpu: Cpu, split: Split): void {
    const sptep = split.hugeSptep;
    split.hugeSptep = 0;
    if (isShadowPresent(this.kvm.w[sptep * 2]!)) return;
    this.report(
      cpu,
      'D15',
      `${cpu.name} drops mmu_lock in the middle of a split: ${sptepName(this.kvm, sptep)}, which mapped gfn ${hex(split.gfn)}, maps nothing`,
      [sptep * 2],
    );
  }

  /** Somebody without mmu_lock has aged the entry since it was written. */
  private isAged(ad: number, lo: number, hi: number, wantLo: number): boolean {
    if (!this.kvm.engine.locksRmaps) return false;
    const aged = agedValue(this.kvm.format, wantLo, this.wantHi);
    return !differs(ad, lo, hi, aged.lo, aged.hi);
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
    if (differs(ad, lo, hi, wantLo, this.wantHi) && !this.isAged(ad, lo, hi, wantLo)) {
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
  ids: ['Q33', 'Q34', 'Q35', 'D15', 'D16', 'D22'],
  make: (kvm, broken) => new SplitContents(kvm, broken),
};
