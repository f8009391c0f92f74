/** Step checks of a split pass (kernel-facts 3.2 to 3.6): what it did in which order. Q5, Q43, D14, D22, D23, D24. */
import type { Cpu } from '../cpu/cpu.ts';
import { KVM_MAX_HUGEPAGE_LEVEL, PG_LEVEL_1G, PG_LEVEL_4K } from '../mmu/config.ts';
import type { FlushProfile } from '../mmu/engine.ts';
import { EAGAIN, ENOSPC, ERRNO_NAMES } from '../mmu/errno.ts';
import { isLarge, isShadowPresent } from '../mmu/format.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import type { FlushReason } from '../mmu/observer.ts';
import { roleLevel } from '../mmu/role.ts';
import { splitsEagerly } from '../mmu/shadow/split.ts';
import { pageGetGfn, spRole, spteIndex, sptepOf, sptepToSp } from '../mmu/shadow-page.ts';
import { findHugeLeaf } from './dirty.ts';
import { HeadCursor } from './head-cursor.ts';
import { hex, sptepName } from './naming.ts';
import { PerActor, type StepBroken, StepCheckBase } from './step-check.ts';
import type { StepCheckFamily } from './types.ts';

/** The pass an actor is in, and the attempt in it. */
class Pass {
  active = false;
  slot = 0;
  /** An attempt ended with -ENOSPC or -ENOMEM: huge pages may be left. */
  gaveUp = false;
  splits = 0;
  /** Splits into a child that held tables. */
  splitsOverTables = 0;
  flushesOfSplits = 0;
  /** Times the lock was dropped. */
  drops = 0;
  /** There was a split since the last full flush of this pass; flushes for splits that came when there was none. */
  owes = false;
  needless = 0;
  /** A flush for a reason that a split pass does not have. */
  strange: FlushReason | '' = '';
  /** Splits since the actor last asked whether to give the lock up. */
  sinceCheck = 0;
  /** Level of the attempt, 0 outside of one, and the huge leaves of that level before it. */
  level = 0;
  leaves = 0;
  /** The attempt dropped the lock: others may have changed the number since. */
  released = false;

  reset(): void {
    this.active = false;
    this.gaveUp = false;
    this.splits = 0;
    this.splitsOverTables = 0;
    this.flushesOfSplits = 0;
    this.drops = 0;
    this.owes = false;
    this.needless = 0;
    this.strange = '';
    this.sinceCheck = 0;
    this.level = 0;
  }
}

/** D24: flushes that a pass makes for its splits; undefined where a design only bounds them. */
function expectedFlushes(profile: FlushProfile, pass: Pass): number | undefined {
  switch (profile) {
    case 'P0':
    case 'P2':
      return pass.splits;
    case 'P1':
      return pass.splitsOverTables;
    case 'P4':
      return 0;
    case 'P3':
    case 'ancestor':
      return undefined;
  }
}

class SplitPasses extends StepCheckBase {
  private readonly passes: PerActor<Pass>;
  private readonly cursor: HeadCursor;

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.passes = new PerActor(kvm, () => new Pass());
    this.cursor = new HeadCursor(kvm);
  }

  override begin(): void {
    this.passes.reset();
  }

  override splitPass(cpu: Cpu, slot: number, start: number, end: number, begin: boolean): void {
    const pass = this.passes.of(cpu);
    if (begin) {
      pass.reset();
      pass.active = true;
      pass.slot = slot;
      return;
    }
    pass.active = false;
    this.checkFlushes(cpu, pass);
    if (!pass.gaveUp) this.checkCovered(cpu, slot, start, end);
  }

  /** Q43 of what E2 and E3 claim since 6.8: no page that was asked for is left huge, the last one included (B-01). */
  override maskedSplit(cpu: Cpu, slotId: number, first: number, last: number): void {
    const { kvm } = this;
    if (!kvm.engine.clearSplitsLastPage || !splitsEagerly(kvm) || this.passes.of(cpu).gaveUp) return;
    this.checkCovered(cpu, slotId, first, last + 1);
  }

  override splitBegin(cpu: Cpu, sptep: number): void {
    const { kvm } = this;
    const pass = this.passes.of(cpu);
    const sp = sptepToSp(kvm, sptep);
    pass.level = roleLevel(spRole(kvm, sp));
    pass.leaves = this.hugeLeaves(pass.level);
    pass.released = false;
    if (pass.level >= PG_LEVEL_1G || pass.gaveUp) return;
    const gfn = pageGetGfn(kvm, sp, spteIndex(kvm, sptep));
    const slot = kvm.slotOf(gfn);
    if (slot === undefined) return;
    for (let level = pass.level + 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
      const above = findHugeLeaf(kvm, this.cursor, slot, level, gfn, gfn + 1);
      if (above === 0) continue;
      this.report(
        cpu,
        'D22',
        `the level-${pass.level} page at gfn ${hex(gfn)} is split while ${sptepName(kvm, above)} still maps it at level ${level}`,
        [sptep * 2, above * 2],
      );
      return;
    }
  }

  override splitChild(cpu: Cpu, hugeSptep: number, sp: number): void {
    const { kvm } = this;
    if (roleLevel(spRole(kvm, sptepToSp(kvm, hugeSptep))) <= 2) return;
    const word = sptepOf(kvm, sp, 0) * 2;
    for (let i = 0; i < kvm.entries; i++) {
      const lo = kvm.w[word + i * 2]!;
      if (!isShadowPresent(lo) || isLarge(lo)) continue;
      this.passes.of(cpu).splitsOverTables++;
      return;
    }
  }

  override splitAttempt(cpu: Cpu, gfn: number, level: number, _lo: number, _hi: number, errno: number): void {
    const pass = this.passes.of(cpu);
    if (errno === 0) {
      pass.splits++;
      this.checkBudget(cpu, gfn);
      pass.owes = true;
      pass.sinceCheck++;
      if (pass.sinceCheck > 1) {
        this.report(
          cpu,
          'D14',
          `${pass.sinceCheck} splits without a look at the lock, the last at gfn ${hex(gfn)}`,
        );
      }
    } else if (errno !== EAGAIN) pass.gaveUp = true;
    const expected = pass.leaves - (errno === 0 ? 1 : 0);
    if (pass.level !== 0 && (errno === 0 || errno === ENOSPC || !pass.released))
      this.checkLeaves(cpu, pass, expected, errno, level);
    pass.level = 0;
  }

  override yieldCheck(cpu: Cpu): void {
    this.passes.of(cpu).sinceCheck = 0;
  }

  override writeReleased(cpu: Cpu): void {
    const pass = this.passes.of(cpu);
    pass.sinceCheck = 0;
    pass.drops++;
    if (pass.level === 0) return;
    // Just after the release nobody else has run; on worker threads somebody may have.
    if (!pass.released && this.kvm.arena.tracked)
      this.checkLeaves(cpu, pass, pass.leaves, EAGAIN, pass.level);
    pass.released = true;
  }

  override flush(cpu: Cpu, reason: FlushReason): void {
    const pass = this.passes.of(cpu);
    if (!pass.active) return;
    if (reason === 'split') {
      pass.flushesOfSplits++;
      if (!pass.owes) pass.needless++;
    } else if (reason !== 'recycle' && reason !== 'zap') pass.strange = reason;
    if (reason !== 'recycle') pass.owes = false;
  }

  private hugeLeaves(level: number): number {
    return this.kvm.get(KVM.pages + level - 1);
  }

  /** D23. */
  private checkLeaves(cpu: Cpu, pass: Pass, expected: number, errno: number, level: number): void {
    const now = this.hugeLeaves(pass.level);
    if (now === expected) return;
    const name = ERRNO_NAMES[errno] ?? String(errno);
    this.report(
      cpu,
      'D23',
      `an attempt that ended with ${name} took the level-${level} leaves from ${pass.leaves} to ${now}`,
      [this.kvm.base + KVM.pages + pass.level - 1],
    );
  }

  /** Q5: a split is made only with more than splitMinFreePages available (3.5), and takes one of them at most. */
  private checkBudget(cpu: Cpu, gfn: number): void {
    const { kvm } = this;
    const used = kvm.get(KVM.nUsed);
    const most = kvm.get(KVM.nMax) - kvm.engine.splitMinFreePages;
    if (used <= most) return;
    this.report(
      cpu,
      'Q5',
      `the split at gfn ${hex(gfn)} left ${used} shadow pages in use (n_used), and a split may leave ${most} at most`,
      [kvm.base + KVM.nUsed, kvm.base + KVM.nMax],
    );
  }

  /** D24. Recycling and zapping of unsync pages flush for themselves, in every profile. */
  private checkFlushes(cpu: Cpu, pass: Pass): void {
    const { profile } = this.kvm.engine;
    if (profile === 'P3' || profile === 'ancestor') this.checkDeferred(cpu, pass);
    const expected = expectedFlushes(profile, pass);
    if (expected !== undefined && pass.flushesOfSplits !== expected) {
      this.report(
        cpu,
        'D24',
        `a pass of ${pass.splits} splits, ${pass.splitsOverTables} over tables, flushed ${pass.flushesOfSplits} times for them; ` +
          `profile ${profile} flushes ${expected} times`,
      );
    }
    if (pass.strange !== '') this.report(cpu, 'D24', `a split pass flushed for ${pass.strange}`);
  }

  /** D24 of the designs that defer: at most one flush per drop of the lock and one at the end, each for some split. */
  private checkDeferred(cpu: Cpu, pass: Pass): void {
    if (pass.flushesOfSplits <= pass.drops + 1 && pass.needless === 0) return;
    this.report(
      cpu,
      'D24',
      `a pass of ${pass.splits} splits that dropped the lock ${pass.drops} times flushed ${pass.flushesOfSplits} times for them, ` +
        `${pass.needless} times with nothing owed`,
    );
  }

  /** Q43 at the end of the pass. */
  private checkCovered(cpu: Cpu, slotId: number, start: number, end: number): void {
    const { kvm } = this;
    const slot = kvm.slots.find(({ config }) => config.id === slotId);
    if (slot === undefined) return;
    for (let level = KVM_MAX_HUGEPAGE_LEVEL; level > PG_LEVEL_4K; level--) {
      const left = findHugeLeaf(kvm, this.cursor, slot, level, start, end);
      if (left === 0) continue;
      this.report(
        cpu,
        'Q43',
        `the pass over gfns ${hex(start)} to ${hex(end)} gave up nowhere, but ${sptepName(kvm, left)} still maps a level-${level} page`,
        [left * 2],
      );
      return;
    }
  }
}

export const splitPasses: StepCheckFamily = {
  ids: ['Q5', 'Q43', 'D14', 'D22', 'D23', 'D24'],
  make: (kvm, broken) => new SplitPasses(kvm, broken),
};
