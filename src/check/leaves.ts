/**
 * Leaf SPTEs by themselves: what they map and which bits they may have (kernel-facts 6.2, Q24, Q25, Q27 to Q32).
 *
 * One loop over all entries. The common leaf passes a few tests on its two halves; only a leaf that fails one is looked
 * at again for its text.
 */
import { KVM_MAX_HUGEPAGE_LEVEL } from '../mmu/config.ts';
import {
  ACC_WRITE,
  isExecutableSaved,
  isHostWritable,
  isMmuWritable,
  isWritable,
  SPTE_AD_DISABLED_HI,
  SPTE_AD_MASK_HI,
  SPTE_AD_WRPROT_ONLY_HI,
  SPTE_MMU_PRESENT,
  SPTE_PS,
  SPTE_W,
  sptePfn,
} from '../mmu/format.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { KVM_MEM_READONLY, type MemSlot } from '../mmu/memslot.ts';
import { roleAccess, roleAdDisabled, roleGuestMode, roleLevel, rolePassthrough } from '../mmu/role.ts';
import { SP } from '../mmu/shadow-page.ts';
import { accessText, entryName, hex, spteText } from './naming.ts';
import { pageWalk, type PageWalk } from './page-walk.ts';
import { hasReaders } from './quiescent.ts';
import { tdpWalk } from './tdp-walk.ts';
import type { StateCheck } from './types.ts';

/** Bits 12 to 31 of the low half and 0 to 19 of the high one: the frame. */
const PFN_LO = ~0xfff;
const PFN_HI = 0xfffff;
/** Bits 3 to 5 of an EPT entry. */
const EPT_MEMTYPE = 0x38;

/** `entry 1 of page 5 (L2 direct rwx, gfn 0x40) is 0x..., gfn 0x44`. */
const leafName = (kvm: Kvm, sp: number, index: number, lo: number, hi: number, gfn: number): string =>
  `${entryName(kvm, sp, index)} is ${spteText(lo, hi)} for gfn ${hex(gfn)}`;

/** True if a notifier that covers one of these gfns has started and not ended (5.4). */
function isBeingInvalidated(kvm: Kvm, gfn: number, pages: number): boolean {
  if (kvm.get(KVM.invalidateInProgress) === 0) return false;
  return gfn < kvm.get(KVM.invalidateEnd) && gfn + pages > kvm.get(KVM.invalidateStart);
}

/** Q24 and Q25: the right frame, and a page of this size may be there. */
function checkMapping(
  walk: PageWalk,
  sp: number,
  index: number,
  word: number,
  level: number,
  slot: MemSlot | undefined,
  gfn: number,
): void {
  const { kvm } = walk;
  const lo = kvm.w[word]!;
  const hi = kvm.w[word + 1]!;
  const pfn = sptePfn(lo, hi);
  if (slot === undefined) {
    if (walk.admit('Q25'))
      walk.report('Q25', `${leafName(kvm, sp, index, lo, hi, gfn)}, which is in no memslot`, [word]);
    return;
  }
  const pages = kvm.pages(level);
  // Between a notifier's start and its end the host may be at any point of its change.
  const settled = !isBeingInvalidated(kvm, gfn, pages);
  if (settled && !slot.hostPresent(gfn)) {
    if (walk.admit('Q24'))
      walk.report('Q24', `${leafName(kvm, sp, index, lo, hi, gfn)}, and the host has nothing there`, [word]);
    return;
  }
  if (settled && pfn !== slot.pfn(gfn) && walk.admit('Q24')) {
    walk.report(
      'Q24',
      `${leafName(kvm, sp, index, lo, hi, gfn)}: frame ${hex(pfn)}, and the host has ${hex(slot.pfn(gfn))} there`,
      [word],
    );
  }
  if (level === 1) return;
  const within = gfn + pages <= slot.baseGfn + slot.npages;
  const hostLevel = settled ? slot.hostLevel(gfn) : slot.config.backing;
  const backed = level <= hostLevel && !slot.config.hvaMisaligned;
  if ((gfn % pages !== 0 || pfn % pages !== 0 || !within || !backed) && walk.admit('Q25')) {
    walk.report(
      'Q25',
      `${leafName(kvm, sp, index, lo, hi, gfn)}: ${hex(pages)} pages from frame ${hex(pfn)}, in slot ${slot.config.id} ` +
        `(gfns ${hex(slot.baseGfn)} to ${hex(slot.baseGfn + slot.npages - 1)}, host pages of level ${hostLevel}` +
        `${slot.config.hvaMisaligned ? ', misaligned' : ''})`,
      [word],
    );
  }
}

/** Q27, Q28 and Q29: who allows the write. */
function checkWritable(
  walk: PageWalk,
  sp: number,
  index: number,
  word: number,
  slot: MemSlot | undefined,
  readOnly: boolean,
  access: number,
  gfn: number,
): void {
  const { kvm } = walk;
  const f = kvm.format;
  const lo = kvm.w[word]!;
  const hi = kvm.w[word + 1]!;
  const host = isHostWritable(f, lo, hi);
  const mmu = isMmuWritable(f, lo, hi);
  const writable = isWritable(lo);
  if (((writable && !mmu) || (mmu && !host)) && walk.admit('Q27')) {
    walk.report(
      'Q27',
      `${entryName(kvm, sp, index)} is ${spteText(lo, hi)}: host-writable ${Number(host)}, MMU-writable ${Number(mmu)}, W ${Number(writable)}`,
      [word],
    );
  }
  const role = roleAccess(kvm.w[kvm.header(sp) + SP.role]!);
  if (((writable && (access & ACC_WRITE) === 0) || (access & ~role) !== 0) && walk.admit('Q28')) {
    walk.report(
      'Q28',
      `${entryName(kvm, sp, index)} is ${spteText(lo, hi)}, W ${Number(writable)}, with stored access ${accessText(access)}`,
      [word, kvm.header(sp) + SP.role],
    );
  }
  if (!host || slot === undefined || (!readOnly && slot.hostWritable(gfn))) return;
  if ((!readOnly && isBeingInvalidated(kvm, gfn, 1)) || !walk.admit('Q29')) return;
  const where = readOnly ? `in the read-only slot ${slot.config.id}` : `where the host's page is read-only`;
  walk.report('Q29', `${entryName(kvm, sp, index)} is ${spteText(lo, hi)}: host-writable ${where}`, [word]);
}

const isReadOnly = (kvm: Kvm, slot: MemSlot): boolean =>
  slot.config.readonly || (kvm.w[slot.flagsWord]! & KVM_MEM_READONLY) !== 0;

/**
 * Bits 52 and 53 of the leaves of a page (kernel-facts 2.6): no A and D bits at all, or D bits that nobody logs because
 * PML is off while L2 runs (B-36), or both as hardware has them.
 */
function adField(kvm: Kvm, role: number): number {
  if (roleAdDisabled(role)) return SPTE_AD_DISABLED_HI;
  return roleGuestMode(role) && kvm.config.pmlEntries > 0 ? SPTE_AD_WRPROT_ONLY_HI : 0;
}

/** Q30, Q31 and Q32. */
function checkBits(walk: PageWalk, sp: number, index: number, word: number, level: number): void {
  const { kvm } = walk;
  const f = kvm.format;
  const lo = kvm.w[word]!;
  const hi = kvm.w[word + 1]!;
  const sizes = level === 1 || level > KVM_MAX_HUGEPAGE_LEVEL ? SPTE_PS : 0;
  const reservedLo = (lo & ~PFN_LO & ~f.leafLo) | (lo & sizes);
  const reservedHi = hi & ~PFN_HI & ~f.leafHi;
  const name = `${entryName(kvm, sp, index)} is ${spteText(lo, hi)}`;
  if ((reservedLo !== 0 || reservedHi !== 0) && walk.admit('Q30')) {
    walk.report('Q30', `${name}: reserved bits ${spteText(reservedLo, reservedHi)} are set`, [word]);
  }
  if (f.name === 'ept') {
    if ((lo & 3) === SPTE_W && walk.admit('Q30')) {
      walk.report('Q30', `${name}: writable and not readable, which is a misconfiguration`, [word]);
    }
    if ((lo & EPT_MEMTYPE) !== f.memtypeLo && walk.admit('Q30')) {
      walk.report('Q30', `${name}: memory type ${(lo & EPT_MEMTYPE) >> 3}, not write-back`, [word]);
    }
  }
  const ad = adField(kvm, kvm.w[kvm.header(sp) + SP.role]!);
  if ((hi & SPTE_AD_MASK_HI) !== ad && walk.admit('Q31')) {
    walk.report('Q31', `${name}: its A/D kind is ${(hi >>> 20) & 3}, and that of its page is ${ad >>> 20}`, [
      word,
    ]);
  }
  if (kvm.config.nxHugePages && level > 1 && isExecutableSaved(f, lo, hi) && walk.admit('Q32')) {
    walk.report('Q32', `${name}: executable at level ${level} with the iTLB multihit mitigation on`, [word]);
  }
}

/** The host may have moved or protected a page of this slot. */
const moves = (slot: MemSlot): boolean => slot.layout.hostMap !== 0;

function checkTable(walk: PageWalk, sp: number): void {
  const { kvm } = walk;
  const { w, entries, format: f, config } = kvm;
  const header = kvm.header(sp);
  const role = w[header + SP.role]!;
  const level = roleLevel(role);
  const pages = kvm.pages(level);
  const infoBase = kvm.shadowInfo + (w[header + SP.shadowInfo]! << kvm.tableBits);
  const indirect = w[header + SP.shadowInfo] !== 0;
  const base = w[header + SP.gfn]!;
  const gfnStep = rolePassthrough(role) ? 0 : pages;
  const first = (kvm.tablesQ + (w[header + SP.table]! << kvm.tableBits)) * 2;
  const leaf = SPTE_MMU_PRESENT | (level > 1 ? SPTE_PS : 0);
  const sizeBits = level === 1 || level > KVM_MAX_HUGEPAGE_LEVEL ? SPTE_PS : 0;
  const badLo = (~PFN_LO & ~f.leafLo) | sizeBits;
  const badHi = ~PFN_HI & ~f.leafHi;
  const memtype = f.name === 'ept' ? EPT_MEMTYPE : 0;
  const nx = config.nxHugePages && level > 1;
  const ad = adField(kvm, role);
  const roleWord = roleAccess(role);
  let slot: MemSlot | undefined;
  let readOnly = false;
  for (let index = 0; index < entries; index++) {
    const word = first + index * 2;
    const lo = w[word]!;
    if ((lo & leaf) !== leaf) continue;
    const hi = w[word + 1]!;
    let gfn = base + index * gfnStep;
    let access = roleWord;
    if (indirect) {
      const stored = w[infoBase + index]!;
      if (gfnStep !== 0) gfn = stored >>> 3;
      access = stored & 7;
    }
    if (slot === undefined || gfn < slot.baseGfn || gfn >= slot.baseGfn + slot.npages) {
      slot = kvm.slotOf(gfn);
      readOnly = slot !== undefined && isReadOnly(kvm, slot);
    }
    if (level > 1 || slot === undefined || moves(slot) || sptePfn(lo, hi) !== slot.pfn(gfn)) {
      checkMapping(walk, sp, index, word, level, slot, gfn);
    }
    const mmu = ((lo & f.mmuWritableLo) | (hi & f.mmuWritableHi)) !== 0;
    const host = ((lo & f.hostWritableLo) | (hi & f.hostWritableHi)) !== 0;
    if (
      ((lo & SPTE_W) !== 0 && (!mmu || (access & ACC_WRITE) === 0)) ||
      (mmu && !host) ||
      (host && (readOnly || (slot !== undefined && moves(slot)))) ||
      (access & ~roleWord) !== 0
    ) {
      checkWritable(walk, sp, index, word, slot, readOnly, access, gfn);
    }
    if (
      (lo & badLo) !== 0 ||
      (hi & badHi) !== 0 ||
      (lo & memtype) !== (memtype & f.memtypeLo) ||
      (memtype !== 0 && (lo & 3) === SPTE_W) ||
      (hi & SPTE_AD_MASK_HI) !== ad ||
      (nx && isExecutableSaved(f, lo, hi))
    ) {
      checkBits(walk, sp, index, word, level);
    }
  }
}

/** Notifiers unmap in roots that were invalidated too (d62007edf01f), so these obey as long as they are there. */
function checkTdpLeaves(walk: PageWalk): void {
  const { kvm } = walk;
  if (hasReaders(kvm)) return;
  const tdp = tdpWalk(kvm);
  if (tdp === undefined) return;
  for (let p = 0; p < tdp.count; p++) if (tdp.firstEntry(p) !== 0) checkTable(walk, tdp.pages[p]!);
}

export const leafCheck: StateCheck = {
  ids: ['Q24', 'Q25', 'Q27', 'Q28', 'Q29', 'Q30', 'Q31', 'Q32'],
  when: 'release',
  tdp: true,
  run(kvm, broken) {
    const walk = pageWalk(kvm);
    walk.begin(broken);
    for (let p = 0; p < walk.count; p++) checkTable(walk, walk.pages[p]!);
    checkTdpLeaves(walk);
  },
};
