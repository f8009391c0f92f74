/** Where KVM follows L1's changes of its own nested tables, and what went wrong there (kernel-facts 5.2, A5 to A7, 7). */
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { ACC_WRITE } from '../format.ts';
import { handleL1Invept } from '../invept.ts';
import type { Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import type { GuestWalker, Vcpu } from '../vcpu.ts';
import { validateDirectSpte } from './get-page.ts';
import { detectWriteFlooding, kvmMmuPteWrite, zapWrittenSpte, type PteWrite } from './pte-write.ts';
import { kvmMmuSyncRoots, kvmSyncPage, mmuSyncChildren, syncDropsSpte } from './sync.ts';
import { mmuTryToUnsyncPages, spUnsyncChildren } from './unsync.ts';

export interface L1Steps {
  // -- write protection and sync (A6, A8) --
  /** Must `gfn` stay write-protected? Both MMUs ask before they set W; see src/mmu/shadow/unsync.ts. */
  mmuTryToUnsyncPages(
    kvm: Kvm,
    cpu: Cpu,
    slot: MemSlot,
    gfn: number,
    canUnsync: boolean,
    prefetch: boolean,
  ): Steps<boolean>;
  /** A fault has found an unsync page: kvm_sync_page(). True: flush; undefined: it was added to `invalid` (B-31). */
  syncFoundPage(vcpu: Vcpu, sp: number, invalid: number[]): Steps<boolean | undefined>;
  /** What is unsync below a page that is about to be linked (B-31); false if the fault must be retried. */
  syncBeforeLink(vcpu: Vcpu, sp: number): Steps<boolean>;
  /** kvm_mmu_sync_roots(), at each load of a root and on REQ_MMU_SYNC. */
  syncRoots(vcpu: Vcpu): Steps<void>;
  /** Does a sync drop a leaf that maps `mapped`, where L1 now has `gfn` with `access` (B-35)? */
  syncDropsSpte(kvm: Kvm, access: number, gfn: number, mapped: number): boolean;

  // -- emulated writes (A5) --
  /** After the write itself. */
  kvmMmuPteWrite(kvm: Kvm, cpu: Cpu, write: PteWrite): Steps<void>;
  /** Is the page written so often that it is a table no longer? */
  detectWriteFlooding(kvm: Kvm, sp: number): boolean;
  /** Takes away what was made from the entry that was written (B-50); true if the TLBs must be flushed. */
  zapWrittenSpte(kvm: Kvm, cpu: Cpu, sptep: number): Steps<boolean>;

  // -- INVEPT (A7) --
  handleL1Invept(vcpu: Vcpu): Steps<void>;

  // -- the fault (5.2) --
  /** ACC_ bits in the role of the indirect child at `level`: what L1's entries above it permit (B-34). */
  indirectChildAccess(walker: GuestWalker, level: number): number;
  /** ACC_ bits in the role of a direct child: what the whole walk permits, the last entry included (B-13). */
  directChildAccess(walker: GuestWalker): number;
  /** With the mitigation on, the table at this entry keeps a fault from mapping a huge page (76901e56fb51, B-43, H-J). */
  tableForbidsHuge(kvm: Kvm, lo: number, hi: number): boolean;
  /** FNAME(gpte_changed): has L1 edited the entry of `level` since it was walked? Asked under mmu_lock. */
  gpteChanged(vcpu: Vcpu, level: number): Steps<boolean>;
  /** A direct child of another access goes (B-12, B-17). */
  validateDirectSpte(vcpu: Vcpu, sptep: number, directAccess: number): Steps<void>;
  /** Is a table of the walk inside the page that is mapped writable? Then 4K, for it will be write-protected. */
  isSelfChangeMapping(kvm: Kvm, walker: GuestWalker): boolean;
}

export const L1_STEPS: L1Steps = {
  mmuTryToUnsyncPages,
  syncFoundPage: kvmSyncPage,
  *syncBeforeLink(vcpu, sp) {
    return spUnsyncChildren(vcpu.kvm, sp) === 0 || (yield* mmuSyncChildren(vcpu, sp, false)) === 0;
  },
  syncRoots: kvmMmuSyncRoots,
  syncDropsSpte,
  kvmMmuPteWrite,
  detectWriteFlooding,
  zapWrittenSpte,
  handleL1Invept,
  indirectChildAccess: (walker, level) => walker.ptAccess[level]!,
  directChildAccess: (walker) => walker.pteAccess,
  tableForbidsHuge: () => true,
  *gpteChanged(vcpu, level) {
    const { cpu, walker } = vcpu;
    const q = walker.pteQ[level]!;
    if (cpu.stepped && cpu.stops(Op.Load64, q * 2)) yield;
    cpu.load64(q);
    return cpu.lo !== walker.pteLo[level] || cpu.hi !== walker.pteHi[level];
  },
  validateDirectSpte,
  isSelfChangeMapping(kvm, walker) {
    if ((walker.pteAccess & ACC_WRITE) === 0) return false;
    const mask = ~(kvm.pages(walker.level) - 1);
    for (let level = walker.level; level <= walker.rootLevel; level++) {
      if (((walker.gfn ^ walker.tableGfn[level]!) & mask) === 0) return true;
    }
    return false;
  },
};
