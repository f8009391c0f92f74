/** What a machine is made of: plain data, so that a worker can be handed it. */

/** Page levels of kernel-facts 2.1. */
export const PG_LEVEL_4K = 1;
export const PG_LEVEL_1G = 3;
export const KVM_MAX_HUGEPAGE_LEVEL = PG_LEVEL_1G;

export type SpteFormatName = 'ept' | 'npt';
/** Effective preemption model (kernel-facts 10.2): only `full` lets a lock holder see contention. */
export type PreemptModel = 'none' | 'voluntary' | 'full';

export interface SlotConfig {
  readonly id: number;
  readonly baseGfn: number;
  readonly npages: number;
  /** Largest host page level behind the slot: 1, 2 or 3. */
  readonly backing: number;
  /** Host frame of the first page; congruent to baseGfn modulo the backing page. */
  readonly basePfn: number;
  readonly readonly: boolean;
  /** True if gfn and host address are not congruent modulo a huge page, which forbids huge pages (kernel-facts 1.6). */
  readonly hvaMisaligned: boolean;
  /** The slot does not exist at the start; an actor creates it (KVM_MR_CREATE, the target of a move). */
  readonly gone?: boolean;
}

/** `count` nested entries of `level` from `l2Gfn` on; entry k maps L1 page `l1Gfn + k * l1Step`. */
export interface L1Mapping {
  readonly l2Gfn: number;
  readonly l1Gfn: number;
  readonly level: number;
  readonly count: number;
  /** In pages; 0 makes every entry an alias of the same page. */
  readonly l1Step: number;
  readonly write: boolean;
  readonly exec: boolean;
  /** A and D bits preset in L1's entry. */
  readonly accessed: boolean;
  readonly dirty: boolean;
}

export interface L1Root {
  readonly name: string;
  readonly mappings: readonly L1Mapping[];
  /** L1's CR4.SMEP while it uses the root: distinguishes roles, as in two hypervisors with different CR4. */
  readonly smep: boolean;
  /** Likewise CR4.SMAP. */
  readonly smap?: boolean;
  /** Page, counted from `tableGfn`, of its top table; by default the roots come first, in their order. */
  readonly table?: number;
  /** Levels of its tables (the page-walk length in its EPTP); `KvmConfig.rootLevel` by default. */
  readonly level?: number;
  /** Its top table is the one of its level by which the earlier root `root` translates `l2Gfn` (B-48). */
  readonly within?: { readonly root: number; readonly l2Gfn: number };
  /** False: not a nested table but one of L1's own, shadowed by the legacy MMU (tdpMmu off, C1). */
  readonly guestMode?: boolean;
}

/**
 * Whether a flush may name a range (kernel-facts 5.5), and whether KVM's gfn is compared with the address in the TLB entry
 * (`range-l1`) or with the gfn of L1 behind it (`range-l2`); see src/mmu/flush-range.ts (H-K).
 */
export type FlushBackend = 'full' | 'range-l1' | 'range-l2';

/** What only some casts need. */
export interface CastConfig {
  /** The last of the vCPUs run L1 on EPT01; the others run L2. */
  readonly l1Vcpus: number;
  /** Levels of EPT01: enough for the highest gfn. */
  readonly tdpRootLevel: number;
  /** The host's EPT has A and D bits (always with NPT). Off: access tracking (kernel-facts 2.6). */
  readonly hostAdBits: boolean;
  /** Page-modification logging for L1 (kernel-facts 1.5): entries of a vCPU's buffer, 0 off. */
  readonly pmlEntries: number;
  /** Entries of a vCPU's dirty ring, 0 for the bitmap. */
  readonly ringEntries: number;
  /** Ids of the slots whose logging user space turns off and on while it may migrate them (log-toggle). */
  readonly toggledSlots: readonly number[];
  readonly pscEntries: number;
  /** The host may change its mappings of guest memory. */
  readonly hostMap: boolean;
  readonly spareFrames: number;
  readonly flushBackend: FlushBackend;
  /** Width of mmu_invalidate_seq in bits, at most 31 (B-39). */
  readonly seqBits: number;
  /** Width of the generation in MMIO SPTEs (A27). */
  readonly mmioGenBits: number;
  /** nx_huge_pages_recovery_ratio. */
  readonly nxRecoveryRatio: number;
  /** Threads beside the vCPUs read memslots under SRCU (NX recovery, the shrinker). */
  readonly srcuWorkers: boolean;
  /** L1's level-1 tables may go out of sync (kernel-facts 1.2); off: every write to them is emulated. */
  readonly unsync: boolean;
  /** Pages for nested tables beyond those of the boot, for L1 to build more with; the last of `tablePages`. */
  readonly l1SpareTables: number;
  /** Probability that an allocation outside the split caches fails. */
  readonly enomemRate: number;
  /** Probability that a kicked vCPU takes its time before it leaves the guest. */
  readonly slowAckRate: number;
  /** Probability per access of a page fault that nothing calls for. */
  readonly spuriousFaultRate: number;
  /** Probability per exit that a vCPU stays outside guest mode for a while. */
  readonly longExitRate: number;
}

export const NO_CAST: CastConfig = {
  l1Vcpus: 0,
  tdpRootLevel: 3,
  hostAdBits: true,
  pmlEntries: 0,
  ringEntries: 0,
  toggledSlots: [],
  pscEntries: 0,
  hostMap: false,
  spareFrames: 0,
  flushBackend: 'full',
  seqBits: 31,
  mmioGenBits: 19,
  nxRecoveryRatio: 60,
  srcuWorkers: false,
  unsync: true,
  l1SpareTables: 0,
  enomemRate: 0,
  slowAckRate: 0,
  spuriousFaultRate: 0,
  longExitRate: 0,
};

export interface KvmConfig extends CastConfig {
  readonly format: SpteFormatName;
  readonly tableBits: number;
  /** Levels of EPT12 and EPT02: 3 to 5. */
  readonly rootLevel: number;
  readonly vcpus: number;
  /** Split workers, each with its own split caches; 1 is KVM. */
  readonly shards: number;
  readonly slots: readonly SlotConfig[];
  readonly roots: readonly L1Root[];
  /** First gfn of the pages that hold L1's nested tables, and how many there are. */
  readonly tableGfn: number;
  readonly tablePages: number;
  readonly nxHugePages: boolean;
  readonly eagerPageSplit: boolean;
  readonly tdpMmu: boolean;
  /** L1 uses A/D bits in its nested tables (always so with NPT). */
  readonly l1AdBits: boolean;
  /** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 at boot: 0, 1 (manual) or 3 (with INITIALLY_SET). */
  readonly manualProtect: number;
  readonly preempt: PreemptModel;
  /** Probability that need_resched() is true at a check. */
  readonly reschedRate: number;
  /** Probability that a topup of the split caches fails: -ENOMEM. */
  readonly allocFailRate: number;
  /** KVM_SET_NR_MMU_PAGES; 0 takes KVM's default, max(64, 2 % of the slots' pages). */
  readonly nrMmuPages: number;
  /** RMAP_RECYCLE_THRESHOLD (kernel-facts 2.2). */
  readonly recycleThreshold: number;
  /** log2 of the TLB entries per vCPU and level. */
  readonly tlbBits: number;
}

/** KVM_MIN_FREE_MMU_PAGES, KVM_REFILL_PAGES, KVM_MIN_ALLOC_MMU_PAGES, the memslot ratio (kernel-facts 2.2). */
export const KVM_MIN_FREE_MMU_PAGES = 5;
export const KVM_REFILL_PAGES = 25;
export const KVM_MIN_ALLOC_MMU_PAGES = 64;
export const KVM_MEMSLOT_PAGES_TO_MMU_PAGES_RATIO = 50;
/** KVM_ARCH_NR_OBJS_PER_MEMORY_CACHE. */
export const CACHE_OBJECTS = 40;

/** n_max_mmu_pages by default (kernel-facts 2.2). */
export function defaultMmuPages(slots: readonly { npages: number }[]): number {
  const pages = slots.reduce((sum, slot) => sum + slot.npages, 0);
  return Math.max(Math.floor(pages / KVM_MEMSLOT_PAGES_TO_MMU_PAGES_RATIO), KVM_MIN_ALLOC_MMU_PAGES);
}
