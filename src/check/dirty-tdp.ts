/**
 * The dirty log and the TDP MMU (kernel-facts 6.3, Q42 to Q45): what its leaves over a logged slot may permit. Leaves with
 * D bits that PML logs are judged by D, all others by W.
 */
import { INITIALLY_SET } from '../mmu/dirty-log.ts';
import { isLarge, isShadowPresent, isWritable, SPTE_AD_MASK_HI } from '../mmu/format.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { inDirtyRing } from '../mmu/log/dirty-ring.ts';
import { inPmlBuffer } from '../mmu/log/pml.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, LOG_STATE_ENABLED, type MemSlot } from '../mmu/memslot.ts';
import { roleGuestMode, roleLevel } from '../mmu/role.ts';
import { SP, spRole, sptepToSp } from '../mmu/shadow-page.ts';
import { MODE_MASK, READING_SHADOW_PAGE_TABLES, VCPU } from '../mmu/vcpu-words.ts';
import { hex, sptepName } from './naming.ts';
import { tdpWalk, type TdpWalk } from './tdp-walk.ts';
import type { ReportBroken, StateCheck } from './types.ts';

/** Turning it on has ended, and turning it off has not begun: faults look at the flag, which is the first thing to go. */
export const isFullyLogged = (kvm: Kvm, slot: MemSlot): boolean =>
  kvm.w[slot.logStateWord] === LOG_STATE_ENABLED && (kvm.w[slot.flagsWord]! & KVM_MEM_LOG_DIRTY_PAGES) !== 0;

/** True if the kernel knows of the page: its bitmap, a ring entry not yet reset, or a PML entry not yet drained. */
export function isInLog(kvm: Kvm, slot: MemSlot, gfn: number): boolean {
  const page = gfn - slot.baseGfn;
  if (kvm.config.ringEntries > 0) {
    if (inDirtyRing(kvm, slot, gfn)) return true;
  } else if ((kvm.w[slot.layout.dirtyBitmap + (page >>> 5)]! & (1 << (page & 31))) !== 0) return true;
  return inPmlBuffer(kvm, slot, gfn);
}

/**
 * Between taking a bit and taking W or D away CLEAR may drop the lock, if it splits (3.12 Y5), and RESET hands entries back
 * before it comes to their pages (A15).
 */
export const isHarvesting = (kvm: Kvm): boolean =>
  kvm.get(KVM.deferredFlush) !== 0 && (kvm.get(KVM.manualProtect) !== 0 || kvm.config.ringEntries > 0);

/** The fast path makes an entry writable first and marks the page then, before its lockless section ends (5.3, D19). */
export function isOnFastPath(kvm: Kvm): boolean {
  for (let vcpu = kvm.config.vcpus - kvm.config.l1Vcpus; vcpu < kvm.config.vcpus; vcpu++) {
    if ((kvm.w[kvm.vcpuWord(vcpu) + VCPU.mode]! & MODE_MASK) === READING_SHADOW_PAGE_TABLES) return true;
  }
  const { layout } = kvm;
  const readers = Math.max(layout.dims.actors, layout.dims.vcpus);
  for (let actor = 0; actor < readers; actor++) if (kvm.w[layout.rcu + actor] !== 0) return true;
  return false;
}

/** A leaf that PML follows: a write is seen by D, which it sets, and not by W. */
export const isFollowedByPml = (kvm: Kvm, hi: number): boolean =>
  kvm.config.pmlEntries > 0 && (hi & SPTE_AD_MASK_HI) === 0;

/** Without the TDP MMU the fast path works on direct pages of the shadow MMU: is this leaf in one, and is it at work? */
export const mayBeFastFixed = (kvm: Kvm, sptep: number): boolean =>
  !kvm.config.tdpMmu && !roleGuestMode(spRole(kvm, sptepToSp(kvm, sptep))) && isOnFastPath(kvm);

class TdpLog {
  private readonly kvm: Kvm;
  private readonly broken: ReportBroken;
  private readonly allSplit: boolean;
  private readonly initiallySet: boolean;
  private readonly harvesting: boolean;
  private readonly fast: boolean;
  private readonly pml: boolean;

  constructor(kvm: Kvm, broken: ReportBroken) {
    this.kvm = kvm;
    this.broken = broken;
    this.initiallySet = (kvm.get(KVM.manualProtect) & INITIALLY_SET) !== 0;
    this.allSplit = kvm.config.eagerPageSplit && kvm.config.tdpMmu && kvm.get(KVM.splitFailures) === 0;
    this.harvesting = isHarvesting(kvm);
    this.fast = isOnFastPath(kvm);
    this.pml = kvm.config.pmlEntries > 0;
  }

  checkPage(walk: TdpWalk, p: number): void {
    const { kvm } = this;
    const header = kvm.header(walk.pages[p]!);
    const level = roleLevel(kvm.w[header + SP.role]!);
    const first = walk.firstEntry(p);
    const base = kvm.w[header + SP.gfn]!;
    const slot = kvm.slotOf(base);
    // A table of leaves lies in one slot or is cut by its end; larger ones hold tables too.
    if (first === 0 || (level === 1 && slot !== undefined && !isFullyLogged(kvm, slot))) return;
    for (let i = 0; i < kvm.entries; i++) {
      const lo = kvm.w[(first + i) * 2]!;
      if (!isShadowPresent(lo) || (level > 1 && !isLarge(lo))) continue;
      const gfn = base + i * kvm.pages(level);
      const owner = kvm.slotOf(gfn);
      if (owner === undefined || !isFullyLogged(kvm, owner)) continue;
      if (level > 1) this.checkHuge(first + i, level, lo);
      else this.checkSmall(owner, first + i, gfn, lo, kvm.w[(first + i) * 2 + 1]!);
    }
  }

  private checkHuge(sptep: number, level: number, lo: number): void {
    if (this.initiallySet) return;
    const name = sptepName(this.kvm, sptep);
    if (isWritable(lo)) {
      this.broken('Q42', `logging is on, but ${name} maps a writable level-${level} page`, [sptep * 2]);
    }
    if (this.allSplit) {
      this.broken('Q43', `every split succeeded, but ${name} still maps a level-${level} page`, [sptep * 2]);
    }
  }

  private checkSmall(slot: MemSlot, sptep: number, gfn: number, lo: number, hi: number): void {
    const { kvm } = this;
    const byDirtyBit = this.pml && (hi & SPTE_AD_MASK_HI) === 0;
    const dirty = byDirtyBit ? (lo & kvm.format.dirtyLo) !== 0 : isWritable(lo);
    if (!dirty || this.harvesting || this.fast || isInLog(kvm, slot, gfn)) return;
    this.broken(
      byDirtyBit ? 'Q45' : 'Q44',
      `gfn ${hex(gfn)} is ${byDirtyBit ? 'dirty' : 'writable'} through ${sptepName(kvm, sptep)}, but not in the log`,
      [sptep * 2],
    );
  }
}

export const tdpLogCheck: StateCheck = {
  ids: ['Q42', 'Q43', 'Q44', 'Q45'],
  when: 'release',
  tdp: true,
  run(kvm, broken) {
    const walk = tdpWalk(kvm);
    if (walk === undefined) return;
    const log = new TdpLog(kvm, broken);
    for (let p = 0; p < walk.count; p++) if (walk.isValid(p)) log.checkPage(walk, p);
  },
};
