/**
 * The engine: a record of the steps where designs differ or bugs lived (design 4). The default record is profile P1;
 * variants in src/variants override steps. The functions that call the steps hold no `if (bug)`.
 *
 * A step that is a plain function performs at most the one visible operation its caller has announced; steps that
 * may suspend are generators.
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { Steps } from '../cpu/steps.ts';
import type { QRwLockWords } from '../locks/qrwlock.ts';
import type { HostPageSteps } from './host-page.ts';
import type { HostSteps } from './host/steps.ts';
import type { Kvm } from './kvm.ts';
import type { LogSteps } from './log/steps.ts';
import type { SplitCaches } from './memory-cache.ts';
import type { MemSlot } from './memslot.ts';
import type { L1Steps } from './shadow/l1-steps.ts';
import type { Fault } from './shadow/set-spte.ts';
import type { SplitPass } from './shadow/split-pass.ts';
import type { TdpLogSteps } from './tdp/log-steps.ts';
import type { TdpSteps } from './tdp/steps.ts';
import type { Vcpu } from './vcpu.ts';
import type { VersionSteps } from './version-steps.ts';
import type { VmWideSteps } from './vm-wide-steps.ts';

/** What the loop over a head does after one attempt. */
export type AfterAttempt = 'restart' | 'next' | 'leave';

/** How often a split pass flushes for its splits (D24, kernel-facts 0; `ancestor` is the variant of 9.1's last row). */
export type FlushProfile = 'P0' | 'P1' | 'P2' | 'P3' | 'P4' | 'ancestor';

export interface Engine
  extends LogSteps, HostPageSteps, HostSteps, L1Steps, VmWideSteps, VersionSteps, TdpSteps, TdpLogSteps {
  /** Identifier, as `--variant` takes it. */
  readonly name: string;
  /** One sentence for `list`. */
  readonly summary: string;
  /** Which flush accounting of D24 applies. */
  readonly profile: FlushProfile;

  // -- mmu_lock (kernel-facts 10) --
  writeLock(cpu: Cpu, lock: QRwLockWords): Steps<void>;
  writeUnlock(cpu: Cpu, lock: QRwLockWords): Steps<void>;
  readLock(cpu: Cpu, lock: QRwLockWords): Steps<void>;
  readUnlock(cpu: Cpu, lock: QRwLockWords): Steps<void>;

  // -- the split (kernel-facts 3) --
  /**
   * 3.6. The caller has announced a load of the lock's queue word if `kvm.needbreakVisible`. `splitsThisHold`: splits since
   * the pass last came back from here, which KVM does not ask about (H-F).
   */
  needTopupSplitCachesOrResched(kvm: Kvm, cpu: Cpu, caches: SplitCaches, splitsThisHold?: number): boolean;
  /** 3.6, without `mmu_lock`. Returns 0 or -ENOMEM. */
  topupSplitCaches(kvm: Kvm, cpu: Cpu, caches: SplitCaches): number;
  /** What is done around the topup while `mmu_lock` is not held: nothing, as slots_lock guards the caches (D2). */
  topupUnlocked(kvm: Kvm, cpu: Cpu, caches: SplitCaches): Steps<number>;
  /** Pages that must stay available: at or below, the split answers -ENOSPC (C2). */
  readonly splitMinFreePages: number;
  /** 3.4 steps 3 and 4. */
  afterAttempt(result: number): AfterAttempt;
  /** 3.8 step 2: the role of the child of a huge SPTE whose entry has `access`. */
  splitChildRole(kvm: Kvm, parentRole: number, access: number): number;
  /** 3.8: the child, found or new; 0 if the design leaves this page huge. */
  getSpForSplit(pass: SplitPass, hugeSptep: number): number;
  /** 3.9: entry 0 of the child, left in `cpu.lo/hi`. */
  makeHugePageSplitSpte(
    kvm: Kvm,
    cpu: Cpu,
    hugeLo: number,
    hugeHi: number,
    childLevel: number,
    childAccess: number,
  ): void;
  /** 3.7 step 2 from entry `from` on; returns the entry whose rmap must be recycled, or the number of entries. */
  fillSplitChild(pass: SplitPass, sp: number, from: number): number;
  /** The same for a child that existed, and that vCPUs may be walking through. */
  fillReusedChild(pass: SplitPass, sp: number, from: number): Steps<number>;
  /** 3.10 step 2: must the TLBs be flushed between dropping the huge SPTE and linking the child? */
  splitNeedsFlush(pass: SplitPass): boolean;
  /** That flush comes while the huge SPTE is still live, when a TLB may fill from it again (H-A, flushBeforeDrop). */
  readonly splitFlushesBeforeDrop: boolean;
  /** The handler passes over pages whose role is invalid (3.4 step 1). */
  readonly splitSkipsInvalid: boolean;
  /** The gfn the flush of 3.10 names, in a split or a fault: right since 6.3, the parent's own gfn before (B-14). */
  splitFlushGfn(kvm: Kvm, hugeSptep: number, gfn: number): number;
  /** 3.10 steps 3 and 4. The caller has announced Store64 of the entry. */
  linkSplitChild(pass: SplitPass, hugeSptep: number, sp: number): void;
  /** After the link, still under the lock; what takes operations is returned. */
  splitLinked(pass: SplitPass, sp: number): Steps<void> | undefined;

  // -- write protection and dirty logging (kernel-facts 3.1, 5.6) --
  /** The test of spte_write_protect(): is there anything to take away? */
  needsWriteProtect(kvm: Kvm, lo: number, hi: number, ptProtect: boolean): boolean;
  /**
   * spte_write_protect(). The caller has announced Exchange64 of the entry; returns true if a flush is needed.
   * `ptProtect`: the gfn holds a shadowed table, so MMU-writable goes too.
   */
  spteWriteProtect(kvm: Kvm, cpu: Cpu, sptep: number, lo: number, hi: number, ptProtect: boolean): boolean;
  /** The flush at the end of enabling (b64d740ea7dd): `changed` says whether write protection changed anything. */
  flushAfterEnable(changed: boolean): boolean;
  /** E2's exclusive end from the last set bit (B-01 until 6.8). */
  clearSplitEnd(lastGfn: number): number;
  /** E2 claims to split the page of the last set bit too (6.8); Q43 holds it to that. */
  readonly clearSplitsLastPage: boolean;

  // -- the fault (kernel-facts 5.2) --
  /** kvm_mmu_child_role(): never invalid since 5ec42d57655c (B-47). */
  childRole(parentRole: number, direct: boolean, access: number): number;
  /** make_spte(): with the mitigation on, a leaf of `level` may not be executable (Q32). */
  nxForbidsExec(kvm: Kvm, level: number): boolean;
  /** A fault in a dirty-tracked slot maps 4K pages only (1.6, B-61). */
  loggedFaultsMapSmall(fault: Fault): boolean;
  /** Step 7: may an existing child of `sptep` be kept for this gfn and role? */
  childIsReusable(kvm: Kvm, childSp: number, gfn: number, role: number): boolean;
  makeMmuPagesAvailable(vcpu: Vcpu): Steps<number>;
  freeObsoleteRoots(vcpu: Vcpu): Steps<void>;
  /** account_shadowed(): what happens when the gfn of a new indirect page becomes a shadowed table (A8). */
  accountShadowed(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<void>;
}
