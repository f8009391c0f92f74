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
  /** One attempt to split a huge page: kvm_mmu_split_huge_page. */
  splitAttempt(_cpu: Cpu, _gfn: number, _level: number, _lo: number, _hi: number, _errno: number): void {}
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
  /** kvm_flush_remote_tlbs(); `pages` 0 means everything. */
  flush(_cpu: Cpu, _reason: FlushReason, _gfn: number, _pages: number): void {}
  /** kvm_mmu_get_page. */
  getPage(_cpu: Cpu, _sp: number, _created: boolean): void {}
  /** kvm_mmu_prepare_zap_page. */
  zapPage(_cpu: Cpu, _sp: number): void {}
  /** The split caches were refilled; `low` says whether one was below its minimum. */
  topup(_cpu: Cpu, _low: boolean, _result: number): void {}
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
  /** A lock other than mmu_lock was taken or dropped; `rank` as in D21. */
  lockOrder(_cpu: Cpu, _lock: string, _taken: boolean): void {}
  /** A leaf was installed by a fault whose root is `rootSp`; (D17). */
  installed(_cpu: Cpu, _rootSp: number, _sptep: number, _seq: number): void {}
  /** A write to L1's tables by L1 itself: entry `q` of the table at `gfn` went to (lo, hi). */
  guestPte(_cpu: Cpu, _gfn: number, _q: number, _lo: number, _hi: number): void {}
  /** A memslot was deleted (`gone` true, after its mappings were flushed) or came back. */
  slotChanged(_cpu: Cpu, _slot: number, _gone: boolean): void {}
  /** An RCU-protected table was given back to its pool. */
  rcuFreed(_cpu: Cpu, _sp: number): void {}
  /** A guest access is about to use frame `pfn` for the L1 gfn it believes is behind it. */
  guestAccess(_cpu: Cpu, _vcpu: number, _pfn: number, _write: boolean): void {}
  /** A vCPU has just stored IN_GUEST_MODE and not yet looked at its requests again. */
  guestEntering(_cpu: Cpu, _vcpu: number): void {}
  /** The vCPU goes on into the guest. */
  guestEntered(_cpu: Cpu, _vcpu: number): void {}
  /** Something moved forward: resets the livelock limit. */
  progress(_cpu: Cpu): void {}
}
