/**
 * Step checks of the TDP MMU: what a split writes and that it leaves no gap (kernel-facts 4.3, Q33, Q34, Q35, D15, D16, D23), and that
 * a table is freed only when nobody can stand in it any more (1.4, D25).
 */
import type { Cpu } from '../cpu/cpu.ts';
import { ERRNO_NAMES } from '../mmu/errno.ts';
import { ACC_EXEC, isLarge, isShadowPresent, sptePfn } from '../mmu/format.ts';
import { hardwarePerm } from '../mmu/hardware.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { roleAccess, roleLevel } from '../mmu/role.ts';
import { SP, SP_NX_DISALLOWED, SP_TDP, spFlags, spRole, sptepToSp } from '../mmu/shadow-page.ts';
import { TLB_X } from '../mmu/tlb.ts';
import { splitChildValue } from './split-value.ts';
import { hex, pageName, spteText, sptepName } from './naming.ts';
import { NothingToCheck, PerActor, type StepBroken, StepCheckBase } from './step-check.ts';
import { permText } from './tlb-cursor.ts';
import type { StepCheckFamily } from './types.ts';

/** What the actor's changes of entries did since its last attempt. */
class Change {
  /** Huge pages of each level that went. */
  readonly taken = new Int32Array(6);
  /** The last table that came for one. */
  child = 0;
  /** The huge page that went without a table in its place, and the level of its page; 0 if none. */
  unmapped = 0;
  /** The actor is in a pass that splits eagerly; a fault may split too (c4b33d28ea51). */
  eager = false;

  settle(): void {
    this.taken.fill(0);
    this.child = 0;
    this.unmapped = 0;
  }

  reset(): void {
    this.settle();
    this.eager = false;
  }
}

class TdpSplits extends StepCheckBase {
  private readonly changes: PerActor<Change>;
  /** Of each page that was cut off: what the RCU words of all actors said then. */
  private readonly readers = new Map<number, Int32Array>();

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.changes = new PerActor(kvm, () => new Change());
  }

  override begin(): void {
    this.changes.reset();
    this.readers.clear();
  }

  override tdpChanged(cpu: Cpu, sptep: number, oldLo: number, oldHi: number, lo: number, hi: number): void {
    const { kvm } = this;
    const level = roleLevel(spRole(kvm, sptepToSp(kvm, sptep)));
    const wasPresent = isShadowPresent(oldLo);
    if (!wasPresent || level === 1) return;
    const isTable = isShadowPresent(lo) && !isLarge(lo);
    if (!isLarge(oldLo)) {
      if (!isTable || sptePfn(oldLo, oldHi) !== sptePfn(lo, hi)) this.cutOff(sptePfn(oldLo, oldHi));
    } else if (isTable) {
      const change = this.changes.of(cpu);
      const table = sptePfn(lo, hi) - kvm.tablePfnBase;
      change.unmapped = 0;
      change.taken[level]!++;
      change.child = table;
      this.checkChild(cpu, sptep, level, oldLo, oldHi, table);
    } else if (!isShadowPresent(lo)) {
      const change = this.changes.of(cpu);
      change.unmapped = sptep;
      change.taken[level]!++;
    }
  }

  override tdpSplitPass(cpu: Cpu, _start: number, _end: number, _shared: boolean, begin: boolean): void {
    this.changes.of(cpu).eager = begin;
  }

  override tdpSplitAttempt(
    cpu: Cpu,
    gfn: number,
    level: number,
    _lo: number,
    _hi: number,
    errno: number,
  ): void {
    const change = this.changes.of(cpu);
    if (errno === 0 && change.unmapped !== 0) {
      this.report(
        cpu,
        'D15',
        `the level-${level} page at gfn ${hex(gfn)} was split, and ${sptepName(this.kvm, change.unmapped)} mapped nothing in between`,
        [change.unmapped * 2],
      );
    }
    this.checkAttempt(cpu, change, gfn, level, errno);
    change.settle();
  }

  /** D23: one huge page of the level went, or none did. Q33: such a table is nobody's NX split. */
  private checkAttempt(cpu: Cpu, change: Change, gfn: number, level: number, errno: number): void {
    const { kvm } = this;
    const taken = change.taken.reduce((sum, count) => sum + count, 0);
    const wanted = errno === 0 ? 1 : 0;
    if (taken !== wanted || change.taken[level] !== wanted) {
      this.report(
        cpu,
        'D23',
        `an attempt at the level-${level} page at gfn ${hex(gfn)} that ended with ${ERRNO_NAMES[errno] ?? errno} took ${taken} huge pages away`,
      );
    }
    const { child } = change;
    // A fault that splits a huge NX page marks the table, and has to (since 6.2).
    if (!change.eager || errno !== 0 || child < 1 || child > kvm.layout.dims.tables) return;
    const sp = kvm.w[kvm.tableOwner + child]!;
    if (sp === 0 || (spFlags(kvm, sp) & SP_NX_DISALLOWED) === 0) return;
    this.report(cpu, 'Q33', `${pageName(kvm, sp)} was made by an eager split and is marked nx-disallowed`, [
      kvm.header(sp),
    ]);
  }

  override readReleased(cpu: Cpu): void {
    this.changes.of(cpu).settle();
  }

  override writeReleased(cpu: Cpu): void {
    this.changes.of(cpu).settle();
  }

  /** 4.3: all of the child, from the value that the exchange replaced. Nobody has had a chance to change it. */
  private checkChild(
    cpu: Cpu,
    sptep: number,
    level: number,
    hugeLo: number,
    hugeHi: number,
    table: number,
  ): void {
    const { kvm } = this;
    const { w } = kvm;
    if (table < 1 || table > kvm.layout.dims.tables) return; // Q38
    const sp = w[kvm.tableOwner + table]!;
    const mayExec = level === 2 && (roleAccess(spRole(kvm, sp)) & ACC_EXEC) !== 0 && kvm.config.nxHugePages;
    const want = splitChildValue(kvm.format, hugeLo, hugeHi, level - 1, mayExec);
    const hugePerm = hardwarePerm(kvm, hugeLo, hugeHi) | (mayExec ? TLB_X : 0);
    const step = kvm.pages(level - 1);
    const first = kvm.tablesQ + (table << kvm.tableBits);
    for (let i = 0; i < kvm.entries; i++) {
      const lo = w[(first + i) * 2]!;
      const hi = w[(first + i) * 2 + 1]!;
      const wantLo = want.lo + ((i * step) << 12);
      if (lo === wantLo && hi === want.hi) continue;
      const name = sptepName(kvm, first + i);
      const words = [(first + i) * 2, sptep * 2];
      const sameFrame = isShadowPresent(lo) && sptePfn(lo, hi) === sptePfn(hugeLo, hugeHi) + i * step;
      const added = hardwarePerm(kvm, lo, hi) & ~hugePerm;
      if (!sameFrame) this.report(cpu, 'Q35', `${name} does not map what the huge page mapped there`, words);
      else if (added !== 0)
        this.report(cpu, 'D16', `${name} permits ${permText(added)}, which the huge page did not`, words);
      else
        this.report(
          cpu,
          'Q34',
          `${name} is ${spteText(lo, hi)} where the huge page makes it ${spteText(wantLo, want.hi)}`,
          words,
        );
      return;
    }
  }

  /** D25: whoever is inside a read section now may have seen the page. */
  private cutOff(pfn: number): void {
    const { kvm } = this;
    const table = pfn - kvm.tablePfnBase;
    if (table < 1 || table > kvm.layout.dims.tables) return;
    const actors = Math.max(kvm.layout.dims.actors, kvm.layout.dims.vcpus);
    const { rcu } = kvm.layout;
    this.readers.set(kvm.w[kvm.tableOwner + table]!, kvm.w.slice(rcu, rcu + actors));
  }

  override pageFreed(cpu: Cpu, sp: number): void {
    const { kvm } = this;
    const seen = this.readers.get(sp);
    if (seen === undefined || (kvm.w[kvm.header(sp) + SP.flags]! & SP_TDP) === 0) return;
    this.readers.delete(sp);
    for (let actor = 0; actor < seen.length; actor++) {
      const word = kvm.layout.rcu + actor;
      if (seen[actor] === 0 || kvm.w[word] !== seen[actor]) continue;
      this.report(
        cpu,
        'D25',
        `${cpu.name} frees ${pageName(kvm, sp)}, and actor ${actor} is still in the read section in which it may have found it`,
        [word],
      );
      return;
    }
  }
}

export const tdpSplits: StepCheckFamily = {
  ids: ['Q33', 'Q34', 'Q35', 'D15', 'D16', 'D23', 'D25'],
  make: (kvm, broken) =>
    kvm.config.l1Vcpus === 0 ? new NothingToCheck(kvm, broken) : new TdpSplits(kvm, broken),
};
