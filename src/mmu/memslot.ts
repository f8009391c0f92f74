/** Memslots: gfn to host frame, huge-page permission, and where the rmaps and bitmaps are (kernel-facts 1.1, 1.3, 1.6). */
import { KernelBug } from './bug.ts';
import type { Arena } from '../arena/arena.ts';
import { gfnToIndex, pagesPerHpage, type SlotLayout } from '../arena/layout.ts';
import { KVM_MAX_HUGEPAGE_LEVEL, type SlotConfig } from './config.ts';

/** Bits of the slot's flags word. */
export const KVM_MEM_LOG_DIRTY_PAGES = 1;
export const KVM_MEM_READONLY = 2;
/** The slot is being deleted: faults that see it retry (A18). */
export const KVM_MEMSLOT_INVALID = 4;
/** There is no such slot now: its gfns are MMIO. Its arrays stay where they are in the arena. */
export const MEMSLOT_GONE = 8;
/** Second word of the flags: what user space may rely on. */
export const LOG_STATE_OFF = 0;
export const LOG_STATE_ENABLING = 1;
export const LOG_STATE_ENABLED = 2;

/**
 * Words of the host's page tables: 0 is the mapping of the boot, present and writable at `basePfn` plus offset; anything
 * else is HOST_SET, the frame shifted left by 2, and two flags.
 */
export const HOST_SET = -0x80000000;
export const HOST_PRESENT = 1;
export const HOST_WRITABLE = 2;
export const hostEntry = (pfn: number, flags: number): number => HOST_SET | (pfn << 2) | flags;
export const hostEntryPfn = (value: number): number => (value & ~HOST_SET) >>> 2;

export class MemSlot {
  readonly config: SlotConfig;
  readonly layout: SlotLayout;
  readonly baseGfn: number;
  readonly npages: number;
  private readonly tableBits: number;
  private readonly arena: Arena;

  constructor(config: SlotConfig, layout: SlotLayout, tableBits: number, arena: Arena) {
    this.config = config;
    this.layout = layout;
    this.baseGfn = config.baseGfn;
    this.npages = config.npages;
    this.tableBits = tableBits;
    this.arena = arena;
  }

  /** Word of the slot's flags; loading it is a visible operation, as SRCU readers see it change. */
  get flagsWord(): number {
    return this.layout.flags;
  }

  /** Word that says how far enabling has come (LOG_STATE_). */
  get logStateWord(): number {
    return this.layout.flags + 1;
  }

  /** The frame behind `gfn` as the host maps it now. Nobody may change it meanwhile, or the caller revalidates (5.4). */
  pfn(gfn: number): number {
    const value = this.hostValue(gfn);
    return value === 0 ? this.config.basePfn + (gfn - this.baseGfn) : hostEntryPfn(value);
  }

  /** Word of the host's page-table entry behind `gfn`; 0 if the host never changes its mappings. */
  hostWord(gfn: number): number {
    const { hostMap } = this.layout;
    return hostMap === 0 ? 0 : hostMap + (gfn - this.baseGfn);
  }

  private hostValue(gfn: number): number {
    const { hostMap } = this.layout;
    return hostMap === 0 ? 0 : this.arena.w[hostMap + (gfn - this.baseGfn)]!;
  }

  hostPresent(gfn: number): boolean {
    const value = this.hostValue(gfn);
    return value === 0 || (value & HOST_PRESENT) !== 0;
  }

  hostWritable(gfn: number): boolean {
    const value = this.hostValue(gfn);
    return !this.config.readonly && (value === 0 || (value & HOST_WRITABLE) !== 0);
  }

  /** Word that counts the pages the host no longer maps as part of the huge page of `level` around `gfn`. */
  hostBrokenWord(gfn: number, level: number): number {
    return this.layout.hostBroken[level as 2 | 3] + gfnToIndex(gfn, this.baseGfn, level, this.tableBits);
  }

  /** The largest page the host maps `gfn` with. */
  hostLevel(gfn: number): number {
    let level = this.config.backing;
    if (this.layout.hostMap === 0) return level;
    while (level > 1 && this.arena.w[this.hostBrokenWord(gfn, level)] !== 0) level--;
    return level;
  }

  /** True if the slot was deleted, or is being. */
  get gone(): boolean {
    return this.arena.bits(this.layout.flags, KVM_MEMSLOT_INVALID | MEMSLOT_GONE) !== 0;
  }

  /** gfn_to_rmap(): the word of the rmap head of `gfn` at `level`. */
  rmapWord(gfn: number, level: number): number {
    return this.layout.rmap[level as 1 | 2 | 3] + gfnToIndex(gfn, this.baseGfn, level, this.tableBits);
  }

  lpageInfoWord(gfn: number, level: number): number {
    const index = gfnToIndex(gfn, this.baseGfn, level, this.tableBits);
    if (index < 0) {
      throw new KernelBug(
        'Q25',
        `lpage_info of slot ${this.config.id} has no entry for gfn ${gfn}, which is below the slot`,
        [this.layout.flags],
      );
    }
    return this.layout.lpageInfo[level as 2 | 3] + index;
  }

  writeTrackWord(gfn: number): number {
    return this.layout.writeTrack + (gfn - this.baseGfn);
  }

  /** kvm_mmu_max_mapping_level(): the largest page that slot, counters and host allow. */
  maxMappingLevel(gfn: number, maxLevel: number): number {
    let level = Math.min(maxLevel, this.hostLevel(gfn), KVM_MAX_HUGEPAGE_LEVEL);
    while (level > 1 && this.arena.w[this.lpageInfoWord(gfn, level)] !== 0) level--;
    return level;
  }

  /** kvm_mmu_gfn_(dis)allow_lpage(). */
  adjustDisallowLpage(gfn: number, by: number): void {
    for (let level = 2; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
      const word = this.lpageInfoWord(gfn, level);
      this.arena.put(word, this.arena.w[word]! + by);
    }
  }

  /** What misalignment alone contributes to disallow_lpage (kernel-facts 1.6); applied once at boot. */
  initLpageInfo(): void {
    for (let level = 2; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
      const pages = pagesPerHpage(level, this.tableBits);
      const first = this.lpageInfoWord(this.baseGfn, level);
      const last = this.lpageInfoWord(this.baseGfn + this.npages - 1, level);
      if (this.config.hvaMisaligned) for (let word = first; word <= last; word++) this.arena.put(word, 1);
      else {
        if (this.baseGfn % pages !== 0) this.arena.put(first, 1);
        if ((this.baseGfn + this.npages) % pages !== 0) this.arena.put(last, 1);
      }
    }
  }
}
