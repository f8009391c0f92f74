/**
 * Steps in which kernel versions and hypothetical designs differ and that belong to no other area: ranges of flushes,
 * descriptor layout, flush debts of a split pass, what a split refuses (kernel-facts 0, 1.3, 3.13, 9.4, B-14 to B-17).
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { Steps } from '../cpu/steps.ts';
import { isWritable } from './format.ts';
import type { Kvm } from './kvm.ts';
import type { MemSlot } from './memslot.ts';
import { descAdd61, descRemove61 } from './pte-desc.ts';
import { needResched } from './resched.ts';
import { collapsibleLevel } from './shadow/collapsible.ts';
import type { SplitPass } from './shadow/split-pass.ts';
import { canBeMadeWritable } from './spte.ts';

/**
 * Places of kernel-facts 9.4 at which a design that defers the flush of a split must settle or carry its debt:
 * F1 the unlock before a topup, F2 the walker's yield, F3 the end of E1's write section, F4 the end of the shadow part of
 * E2 and E3 (H-H), F5 a head that is left after -ENOSPC or -ENOMEM, F6 the end of the pass over one level, F7 the flush of a
 * zapped unsync page, F8 that of a recycled head, F9 a lock that was dropped although something was owed.
 */
export type DebtPlace = 'F1' | 'F2' | 'F3' | 'F4' | 'F5' | 'F6' | 'F7' | 'F8' | 'F9';

/** Which pte_list_desc algorithm is in use (kernel-facts 1.3). */
export type DescLayout = '6.1' | '6.4';

export interface VersionSteps {
  // -- ranges of flushes (B-14 to B-17); pages 0 stands for everything --
  /** Pages that the flush names when a table takes the place of a huge page, by a split or a fault (3.10 step 2). */
  splitFlushPages(kvm: Kvm, level: number): number;
  /** Pages that mmu_set_spte() names, from the gfn of the new leaf on, where it has replaced a table or a leaf of another page (5.2). */
  faultFlushPages(kvm: Kvm, level: number): number;
  /** The gfn that the flush after a recycled head names; `sp` holds the entry that made it too long (B-14). */
  recycleFlushGfn(kvm: Kvm, sp: number, gfn: number): number;
  /** Pages that validate_direct_spte() names when it unlinks the table under an entry of `level` (B-17). */
  directChildFlushPages(kvm: Kvm, level: number): number;
  /** Pages that the walker names before it yields, from its start on; `pagesBehind` ends with one 4K page (H-E). */
  walkYieldPages(kvm: Kvm, pagesBehind: number, level: number): number;
  /** Whether a walk over reverse maps that yields flushes first, given that it owes a flush (B-21, lostFlushOnYield). */
  rmapFlushBeforeYield(owed: boolean): boolean;

  // -- flushes that may be left out (5.6) --
  /** mmu_spte_update(): does the change of a present leaf in place need a flush? */
  spteUpdateNeedsFlush(kvm: Kvm, oldLo: number, oldHi: number, lo: number, hi: number): boolean;

  // -- the debt of a split pass (9.4) --
  /** The pass owes a flush (`pass.owes`) and has come to one of the places. Called in no other case. */
  settleDebt(pass: SplitPass, place: DebtPlace): Steps<void>;

  // -- pte_list_desc (1.3) --
  readonly descLayout: DescLayout;
  /** pte_list_add() to a tagged head. Returns how many entries the list had before, as the version counts. */
  descAdd(kvm: Kvm, cache: number, sptep: number, head: number): number;
  /** Takes entry `index` of descriptor `desc` away; `prev` is the descriptor before it, 0 for the first. */
  descRemove(kvm: Kvm, head: number, desc: number, prev: number, index: number): void;

  // -- what a split refuses (3.1, 3.4, C1) --
  /** Eager splitting goes on although tdp_mmu is off: both entry helpers return at once in KVM. */
  readonly splitsWithoutTdp: boolean;
  /** The handler passes over pages that are not in guest mode. */
  readonly splitSkipsNonNested: boolean;

  /** The handler passes over pages that are invalid (3.4). */
  readonly splitSkipsInvalid: boolean;
  /** The level up to which kvm_mmu_zap_collapsible_spte() takes the gfns of a direct page for mappable (B-49). */
  collapsibleLevel(kvm: Kvm, slot: MemSlot, sp: number): number;

  /** The flush after what could be larger was zapped, given that one is owed (c7785d85b6c6, B-23). */
  collapsibleFlushes(owed: boolean): boolean;
  /** RMAP_RECYCLE_THRESHOLD (2.2): the longest list that an add leaves as it is. */
  recycleThreshold(kvm: Kvm): number;

  // -- preemption (10.2) --
  /** need_resched() as walks over reverse maps and TDP roots ask it, at `gfn` of `level`; `flushOwed`: a yield would flush first. */
  walkerNeedsResched(kvm: Kvm, cpu: Cpu, flushOwed: boolean, gfn: number, level: number): boolean;
  /** rwlock_needbreak() looks at contention whatever the effective preemption model is (B-56). */
  readonly needbreakInAllModels: boolean;
}

/** The flush test of mmu_spte_update() up to 6.12: write access or A and D may be cached. */
function spteUpdateNeedsFlush(kvm: Kvm, oldLo: number, oldHi: number, lo: number): boolean {
  const f = kvm.format;
  if (canBeMadeWritable(f, oldLo, oldHi) && !isWritable(lo)) return true;
  return (oldLo & ~lo & (f.accessedLo | f.dirtyLo)) !== 0;
}

/** P1, with the ranges of 6.3 and later. */
export const VERSION_STEPS: VersionSteps = {
  splitFlushPages: (kvm, level) => kvm.pages(level),
  faultFlushPages: (kvm, level) => kvm.pages(level),
  recycleFlushGfn: (_kvm, _sp, gfn) => gfn,
  directChildFlushPages: (kvm, level) => kvm.pages(level),
  walkYieldPages: (_kvm, pagesBehind) => pagesBehind,
  rmapFlushBeforeYield: (owed) => owed,
  spteUpdateNeedsFlush,
  *settleDebt() {},
  descLayout: '6.1',
  descAdd: descAdd61,
  descRemove: descRemove61,
  splitsWithoutTdp: false,
  splitSkipsNonNested: true,
  splitSkipsInvalid: true,
  collapsibleLevel,
  collapsibleFlushes: (owed) => owed,
  recycleThreshold: (kvm) => kvm.config.recycleThreshold,
  walkerNeedsResched: (kvm, cpu) => needResched(kvm, cpu),
  needbreakInAllModels: false,
};
