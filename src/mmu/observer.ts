/**
 * What the model tells about itself while it runs: trace events (kernel-facts 3.11) and broken rules.
 * The base class ignores everything; src/check and src/report extend it.
 */
import type { Cpu } from '../cpu/cpu.ts';

/** Why a remote TLB flush was issued. */
export const FLUSH_REASONS = [
  'split',
  'end-of-ioctl',
  'fault',
  'zap',
  'write-protect',
  'recycle',
  'log-off',
  'notifier',
  'age',
  'sync',
  'tdp',
  'nx-recovery',
  'memslot',
] as const;
export type FlushReason = (typeof FLUSH_REASONS)[number];

export interface SplitEvent {
  readonly gfn: number;
  readonly level: number;
  readonly spteLo: number;
  readonly spteHi: number;
  readonly errno: number;
}

/** A broken rule. `text` says what was found; the sentence of the rule belongs to its id. */
export interface RuleBreak {
  readonly id: string;
  readonly text: string;
  /** Words of the arena involved, for the explanation. */
  readonly words: readonly number[];
}

export class Observer {
  /** A rule checked inside the model was broken. */
  broken(_cpu: Cpu, _rule: RuleBreak): void {}
  /** A rule is broken unless a scheduler that is fair to everybody heals it (src/runtime/liveness.ts); who cannot tell takes it as broken. */
  suspected(cpu: Cpu, rule: RuleBreak): void {
    this.broken(cpu, rule);
  }
  /** From now on everybody gets a turn: counts that depend on who is scheduled begin anew. */
  fairSuffix(): void {}
  /** mmu_lock was taken, for read or write; lockOrder told when it was asked for. */
  mmuLocked(_cpu: Cpu): void {}
  /** One attempt to split a huge page: kvm_mmu_split_huge_page. */
  splitAttempt(_cpu: Cpu, _gfn: number, _level: number, _lo: number, _hi: number, _errno: number): void {}
  /** One attempt to split a huge page of the TDP MMU: the same tracepoint of the kernel (3.11). */
  tdpSplitAttempt(_cpu: Cpu, _gfn: number, _level: number, _lo: number, _hi: number, _errno: number): void {}
  /** An attempt begins: `mmu_lock` is held, nothing was looked at yet. splitAttempt ends it. */
  splitBegin(_cpu: Cpu, _sptep: number): void {}
  /** The attempt has its child `sp`, found or made, and is about to fill it. */
  splitChild(_cpu: Cpu, _sptep: number, _sp: number): void {}
  /** A lock holder asks whether it should give the lock up (kernel-facts 3.12). */
  yieldCheck(_cpu: Cpu): void {}
  /** A child was linked over the huge SPTE `sptep`; (lo, hi) is the huge value as it was snapshotted. */
  splitLinked(_cpu: Cpu, _sptep: number, _sp: number, _lo: number, _hi: number): void {}
  /** A split pass over [start, end) of a slot begins or ends. */
  splitPass(_cpu: Cpu, _slot: number, _start: number, _end: number, _begin: boolean): void {}
  /** CLEAR or RESET has split what maps gfns `first` to `last` of one word of its mask (E2, E3). */
  maskedSplit(_cpu: Cpu, _slot: number, _first: number, _last: number): void {}
  /** kvm_zap_gfn_range() over [start, end) begins to block faults, or ends (A24). */
  zapRange(_cpu: Cpu, _start: number, _end: number, _begin: boolean): void {}
  /** kvm_flush_remote_tlbs(); `pages` 0 means everything. */
  flush(_cpu: Cpu, _reason: FlushReason, _gfn: number, _pages: number): void {}
  /** kvm_mmu_get_page. */
  getPage(_cpu: Cpu, _sp: number, _created: boolean): void {}
  /** kvm_mmu_spte_requested: a fault knows what it is going to map. */
  spteRequested(_cpu: Cpu, _gfn: number, _pfn: number, _level: number): void {}
  /** kvm_mmu_set_spte: a fault or a prefetch has put (lo, hi) into the leaf `sptep`. */
  spteSet(_cpu: Cpu, _sptep: number, _gfn: number, _level: number, _lo: number, _hi: number): void {}
  /** A page of the TDP MMU got its identity: kvm_mmu_get_page, which tells the TDP MMU's new pages too. */
  tdpPageMade(_cpu: Cpu, _sp: number): void {}
  /** __link_shadow_page() begins: table `sp` is about to go to `sptep`; `flush` says that a flush was asked for. */
  linkBegin(_cpu: Cpu, _sptep: number, _sp: number, _flush: boolean): void {}
  /** fast_page_fault: the last entry that the fast path saw, its value then and afterwards, and how it ended. */
  fastPageFault(
    _cpu: Cpu,
    _gfn: number,
    _access: number,
    _oldLo: number,
    _oldHi: number,
    _lo: number,
    _hi: number,
    _result: number,
  ): void {}
  /** A head was too long and has been emptied (kernel-facts 1.3). */
  rmapRecycled(_cpu: Cpu, _gfn: number, _level: number): void {}
  /** kvm_mmu_slot_gfn_write_protect() of one gfn from `minLevel` up begins. */
  gfnWriteProtect(_cpu: Cpu, _gfn: number, _minLevel: number): void {}
  /** It is through; `changed` asks for a flush. */
  gfnWriteProtected(_cpu: Cpu, _gfn: number, _changed: boolean): void {}
  /** One 64-gfn word of GET, CLEAR or RESET, `offset` pages into its slot, with the bits (lo, hi). */
  logMasked(_cpu: Cpu, _offset: number, _lo: number, _hi: number): void {}
  /** kvm_mmu_slot_try_split_huge_pages() of a slot (E1) begins or ends. */
  slotSplit(_cpu: Cpu, _slot: number, _begin: boolean): void {}
  /** The split has come to a head that is not empty; `many`: it holds a descriptor. */
  splitHead(_cpu: Cpu, _many: boolean): void {}
  /** kvm_mmu_slot_remove_write_access() from `level` up begins, comes to the TDP MMU, or ends. */
  slotWriteProtect(_cpu: Cpu, _level: number, _phase: 'begin' | 'tdp' | 'end'): void {}
  /** kvm_mmu_zap_collapsible_sptes() begins: logging of a slot was turned off. */
  zapCollapsible(_cpu: Cpu, _slot: number): void {}
  /** kvm_mmu_pagetable_walk: FNAME(walk_addr) begins for an L2 gfn. */
  guestWalk(_cpu: Cpu, _l2Gfn: number, _access: number): void {}
  /** kvm_mmu_paging_element: the walk has met a present entry of L1's at `level`. */
  guestWalkEntry(_cpu: Cpu, _lo: number, _hi: number, _level: number): void {}
  /** A pass of the TDP split over [start, end) begins or ends. */
  tdpSplitPass(_cpu: Cpu, _start: number, _end: number, _shared: boolean, _begin: boolean): void {}
  /** A page for a split of the TDP MMU was allocated without giving mmu_lock up. */
  allocatedUnderLock(_cpu: Cpu): void {}
  /** A walk of one TDP root for one 64-gfn word begins, with the bits (lo, hi) to deal with. */
  maskedWalk(_cpu: Cpu, _lo: number, _hi: number): void {}
  /** It looks at a present leaf of `level`, `bit` pages into the word. */
  maskedLeaf(_cpu: Cpu, _bit: number, _level: number): void {}
  /** With the mitigation on, the table `sp` keeps a fault from mapping a huge page. */
  hugeForbidden(_cpu: Cpu, _sp: number): void {}
  /** The NX recovery worker is about to zap `sp`. */
  nxRecovers(_cpu: Cpu, _sp: number): void {}
  /** A page that has just lost its last parent goes with it. */
  orphanZapped(_cpu: Cpu, _sp: number): void {}
  /** kvm_mmu_prepare_zap_page. */
  zapPage(_cpu: Cpu, _sp: number): void {}
  /** The split caches were refilled; `low` says whether one was below its minimum. */
  topup(_cpu: Cpu, _low: boolean, _result: number): void {}
  /** The actor does something that may sleep: `what` says what (D3). */
  maySleep(_cpu: Cpu, _what: string): void {}
  /** kvm_page_fault: the exit, nothing looked at yet; `present`: a present entry forbade the access. */
  faultTaken(_cpu: Cpu, _gfn: number, _access: number, _present: boolean): void {}
  /** A page fault was handled. */
  fault(_cpu: Cpu, _gfn: number, _level: number, _result: number): void {}
  /** An ioctl of the dirty log begins or returns. */
  ioctl(_cpu: Cpu, _name: string, _slot: number, _begin: boolean): void {}
  /** mmu_lock was released after a write section. */
  writeReleased(_cpu: Cpu): void {}
  /** mmu_lock was released after a read section. */
  readReleased(_cpu: Cpu): void {}
  /** handle_changed_spte(): an entry of the TDP MMU went from the old to the new value. */
  tdpChanged(_cpu: Cpu, _sptep: number, _oldLo: number, _oldHi: number, _lo: number, _hi: number): void {}
  /** A notifier invalidation of gfns [start, end) begins (nothing unmapped yet), has unmapped and flushed, or has ended. */
  invalidate(_cpu: Cpu, _start: number, _end: number, _phase: 'begin' | 'unmapped' | 'end'): void {}
  /** A fault on `gfn` that looked its page up under `seq` is to be tried again because of an invalidation (D13). */
  staleFault(_cpu: Cpu, _gfn: number, _seq: number): void {}
  /** A lock other than mmu_lock was taken or dropped; `rank` as in D21. */
  lockOrder(_cpu: Cpu, _lock: string, _taken: boolean): void {}
  /** A leaf was installed by a fault whose root is `rootSp`; (D17). */
  installed(_cpu: Cpu, _rootSp: number, _sptep: number, _seq: number): void {}
  /** A write to L1's tables by L1 itself: entry `q` of the table at `gfn` went to (lo, hi). */
  guestPte(_cpu: Cpu, _gfn: number, _q: number, _lo: number, _hi: number): void {}
  /** Every vCPU has executed L1's INVEPT for these roots (bits by index): L2 uses nothing that L1 removed before. */
  l1Invalidated(_cpu: Cpu, _roots: number): void {}
  /** A memslot was deleted (`gone` true, after its mappings were flushed) or came back. */
  slotChanged(_cpu: Cpu, _slot: number, _gone: boolean): void {}
  /** An RCU-protected table was given back to its pool. */
  rcuFreed(_cpu: Cpu, _sp: number): void {}
  /** A guest access is about to use frame `pfn` for the L1 gfn it believes is behind it. */
  guestAccess(_cpu: Cpu, _vcpu: number, _pfn: number, _write: boolean): void {}
  /** The loop over a head starts over, which a split or a dropped lock must account for (D12). */
  splitRestart(_cpu: Cpu, _head: number): void {}
  /** A present entry of the shadow MMU went from the old value, as the atomic operation found it, to the new one. */
  spteChanged(_cpu: Cpu, _sptep: number, _oldLo: number, _oldHi: number, _lo: number, _hi: number): void {}
  /** A shadow page is about to go back to the pools. */
  pageFreed(_cpu: Cpu, _sp: number): void {}
  /** A page was marked in the dirty log of its slot, bitmap or ring, for this actor's own write or mapping (D19). */
  dirtied(_cpu: Cpu, _slot: number, _gfn: number): void {}
  /** kvm_set_pfn_dirty() and kvm_set_pfn_accessed(): the host page behind an SPTE value inherits its bits (Q47). */
  hostPageInherits(_cpu: Cpu, _sptep: number, _oldLo: number, _oldHi: number, _dirty: boolean): void {}
  /** A plain 64-bit store is about to replace what is at `word`: nothing read together with the write (D5). */
  plainStore64(_cpu: Cpu, _word: number, _lo: number, _hi: number): void {}
  /** fast_page_fault() has made a leaf more permissive without mmu_lock. */
  fastFixed(_cpu: Cpu, _sptep: number, _gfn: number, _lo: number, _hi: number): void {}
  /** The processor has ended a walk in `table`; what it found goes into the TLB next. */
  walked(_cpu: Cpu, _vcpu: number, _table: number): void {}
  /** A translation was put into the TLB entry at `word`. */
  tlbFilled(_cpu: Cpu, _vcpu: number, _word: number): void {}
  /** The vCPU has dropped everything it had cached. */
  tlbFlushed(_cpu: Cpu, _vcpu: number): void {}
  /** A vCPU has just stored IN_GUEST_MODE and not yet looked at its requests again. */
  guestEntering(_cpu: Cpu, _vcpu: number): void {}
  /** The vCPU goes on into the guest. */
  guestEntered(_cpu: Cpu, _vcpu: number): void {}
  /** The VM is about to be taken down; all vCPUs have left the guest for good. */
  teardown(_cpu: Cpu): void {}
  /** Something moved forward: resets the livelock limit. */
  progress(_cpu: Cpu): void {}
}
