/**
 * `struct kvm` as a view of the arena: where everything lies, and the few helpers that all of src/mmu needs.
 * All state that matters is in the arena; each worker thread makes its own Kvm over the same buffer.
 */
import type { Arena } from '../arena/arena.ts';
import { KVM_WORDS, TLB_ENTRY_WORDS, VCPU_WORDS, HEADER_WORDS, type Layout } from '../arena/layout.ts';
import { Pool, POOL_DESCS, POOL_HEADERS, POOL_SHADOW_INFO, POOL_TABLES } from '../arena/pool.ts';
import { HELD_MMU_WRITE, type Cpu } from '../cpu/cpu.ts';
import type { Steps } from '../cpu/steps.ts';
import type { MutexWords } from '../locks/mutex.ts';
import type { QRwLockWords } from '../locks/qrwlock.ts';
import type { KvmConfig } from './config.ts';
import type { Engine } from './engine.ts';
import { FORMATS, type SpteFormat } from './format.ts';
import { MemSlot } from './memslot.ts';
import { Observer } from './observer.ts';
import { makeFillEmpty, type FillEmpty } from './shadow/fill.ts';

/** Offsets in the VM-wide words. */
export const KVM = {
  mmuCnts: 0,
  mmuWaitLock: 1,
  mmuOwner: 2,
  slotsState: 3,
  nUsed: 5,
  nMax: 6,
  validGen: 7,
  indirectShadowPages: 8,
  activeHead: 9,
  activeTail: 10,
  /** pages_4k, pages_2m, pages_1g: three words from here. */
  pages: 11,
  /** shadow_root_allocated: a root of the shadow MMU was made, so the memslots have reverse maps (kernel-facts 1.3). */
  shadowRootAllocated: 14,
  invalidateSeq: 15,
  invalidateInProgress: 16,
  manualProtect: 17,
  /** How many dirty-log ioctls take W or D away and have not flushed yet (5.6, deferrable kinds). */
  deferredFlush: 18,
  /** Work of sharded splitting: generation, shards done. */
  splitRequest: 20,
  splitDone: 21,
  splitSlot: 22,
  /** The migration asks the vCPUs to stop; how many have. */
  pauseRequest: 25,
  paused: 26,
  /** Number of invalid shadow pages kept alive by a root. */
  invalidRoots: 29,
  /** When the first waiter of mmu_lock queued up since it was last dropped, in the probe's unit; 0 if nobody did. */
  firstWaiter: 30,
  /** Actor + 1 of who held mmu_lock for write last, for the hand-off statistics. */
  mmuLastOwner: 31,
  /** Split attempts that ended with -ENOSPC or -ENOMEM: huge leaves may be left for good (H-I, Q43). */
  splitFailures: 32,
  /** Slots (bits by index) of which every page was copied at least once, or the log will name every page (Q46). */
  firstCopyDone: 33,
  /** mmu_invalidate_range_start and _end, gfns; meaningful while in_progress is not 0. */
  invalidateStart: 34,
  invalidateEnd: 35,
  /** mn_active_invalidate_count: notifiers between start and end; a memslot swap waits for 0. */
  activeInvalidates: 36,
  /** Notifier invalidations ended since boot; mmu_invalidate_seq must equal it (Q52). */
  invalidatesEnded: 37,
  /** List of shadow pages marked nx-disallowed: head, length; and of the TDP MMU's pages. */
  nxHead: 38,
  nxCount: 39,
  /** TDP MMU: list of roots, number of live non-root pages, spinlock tdp_mmu_pages_lock, RCU epoch, RCU list. */
  tdpRoots: 40,
  tdpPages: 41,
  tdpPagesLock: 42,
  rcuEpoch: 43,
  rcuList: 44,
  rcuPending: 45,
  /** mmu_unsync_pages_lock. */
  unsyncPagesLock: 46,
  /** Generation of the memslots, for MMIO SPTEs. */
  slotsGen: 47,
  /** Length of zapped_obsolete_pages: pages that kvm_zap_obsolete_pages has still to free; see obsoleteHead. */
  obsoletePages: 48,
  /** slots_arch_lock. */
  slotsArchState: 49,
  /** Generation of INVEPT requests L1 has made. */
  inveptRequest: 50,
  /** User space: all vCPUs are stopped and the migration is over; background actors go home. */
  finished: 51,
  /** Leaves mapped by the TDP MMU are counted in `pages` too; this is the part of each level: three words. */
  tdpLeaves: 52,
  /** pages_4k.. of the host: frames on the free ring are at layout.frames. */
  hostFreeHead: 55,
  hostFreeTail: 56,
  /** Lock of the host's own page tables. */
  hostLock: 57,
  /** mmap_lock of the host: readers, -1 a writer (src/mmu/host/host-lock.ts). */
  mmapLock: 58,
  /** Locks of reverse maps, where they are walked without mmu_lock: four words from here (src/mmu/rmap-lock.ts). */
  rmapLocks: 59,
  /** The process of the VM exits: no vCPU enters the guest again (src/actors/vm-teardown.ts). */
  tornDown: 78,
  /** Roots of the TDP MMU whose zap is scheduled or at work: the length of tdp_mmu_zap_wq (src/mmu/tdp/roots.ts). */
  tdpZapWork: 79,
  /** L1's own lock over its nested tables (src/actors/l1-vcpu.ts). */
  l1Lock: 80,
  /** User space's own lock over what its threads share of the dirty log (src/actors/user-lock.ts). */
  userLock: 90,
  /** Slots (bits by index) whose logging was off for a while: user space must copy all of their pages again. */
  recopySlots: 91,
  /** zapped_obsolete_pages: first of the pages that were zapped and wait for their commit, linked by SP.linkNext. */
  obsoleteHead: 92,
  /** SRCU read sections of threads that are no vCPU's (NX recovery, the shrinker). */
  srcuWorkers: 93,
  /** max_mmu_rmap_size: the most entries that a reverse map has had when one more came. */
  maxRmapSize: 94,
  /** max_mmu_page_hash_collisions: pages of other gfns that a lookup had to pass. */
  maxHashCollisions: 95,
} as const;

if (KVM.hostLock >= KVM_WORDS) throw new Error('KVM words overflow');

export class Kvm {
  readonly config: KvmConfig;
  readonly arena: Arena;
  readonly layout: Layout;
  readonly w: Int32Array;
  readonly engine: Engine;
  readonly format: SpteFormat;
  /** Entries per table, log2 of them, and words of the VM. */
  readonly entries: number;
  readonly tableBits: number;
  readonly base: number;
  readonly headers: number;
  readonly tableOwner: number;
  /** 8-byte index of entry 0 of table 0. */
  readonly tablesQ: number;
  readonly guestTablesQ: number;
  readonly shadowInfo: number;
  readonly slots: readonly MemSlot[];
  readonly mmuLock: QRwLockWords;
  readonly slotsLock: MutexWords;
  readonly headerPool: Pool;
  readonly tablePool: Pool;
  readonly descPool: Pool;
  readonly shadowInfoPool: Pool;
  /** Page tables have frames above all guest frames. */
  readonly tablePfnBase: number;
  /** True if a lock holder looks at contention (kernel-facts 10.2). */
  readonly needbreakVisible: boolean;
  /** The loop that fills a new table. */
  readonly fillEmpty: FillEmpty;
  observer: Observer = new Observer();

  constructor(config: KvmConfig, arena: Arena, engine: Engine) {
    const { layout } = arena;
    this.config = config;
    this.arena = arena;
    this.layout = layout;
    this.w = arena.w;
    this.engine = engine;
    this.format = FORMATS[config.format];
    this.tableBits = config.tableBits;
    this.entries = 1 << config.tableBits;
    this.base = layout.kvm;
    this.headers = layout.headers;
    this.tableOwner = layout.tableOwner;
    this.tablesQ = layout.tables >> 1;
    this.guestTablesQ = layout.guestTables >> 1;
    this.shadowInfo = layout.shadowInfo;
    this.slots = config.slots.map(
      (slot, index) => new MemSlot(slot, layout.slots[index]!, config.tableBits, arena),
    );
    this.mmuLock = {
      cnts: this.base + KVM.mmuCnts,
      waitLock: this.base + KVM.mmuWaitLock,
      owner: this.base + KVM.mmuOwner,
      watch: {
        acquired: (cpu, write) => this.mmuLocked(cpu, write),
        released: (cpu, write) => {
          if (write) this.observer.writeReleased(cpu);
          else this.observer.readReleased(cpu);
        },
      },
    };
    this.slotsLock = {
      state: this.base + KVM.slotsState,
      watch: (cpu, taken) => this.observer.lockOrder(cpu, 'slots_lock', taken),
    };
    this.headerPool = new Pool(arena, POOL_HEADERS);
    this.tablePool = new Pool(arena, POOL_TABLES);
    this.descPool = new Pool(arena, POOL_DESCS);
    this.shadowInfoPool = new Pool(arena, POOL_SHADOW_INFO);
    this.tablePfnBase = layout.dims.pfns;
    this.fillEmpty = makeFillEmpty(arena.w);
    this.needbreakVisible = config.preempt === 'full' || engine.needbreakInAllModels;
  }

  /** Reads a VM-wide word that the caller's lock protects. */
  get(field: number): number {
    return this.w[this.base + field]!;
  }

  /** Writes a VM-wide word that the caller's lock protects. */
  put(field: number, value: number): void {
    this.arena.put(this.base + field, value);
  }

  /** A dirty-log ioctl begins (1) to take W or D away, or has flushed (-1); RESET flushes without slots_lock (A15). */
  oweFlush(by: 1 | -1): void {
    this.arena.tally(this.base + KVM.deferredFlush, by);
  }

  /** The boot is over: each actor allocates from its own share. */
  dividePools(): void {
    for (const pool of [this.headerPool, this.tablePool, this.descPool, this.shadowInfoPool]) pool.divide();
  }

  header(sp: number): number {
    return this.headers + sp * HEADER_WORDS;
  }

  vcpuWord(vcpu: number): number {
    return this.layout.vcpus + vcpu * VCPU_WORDS;
  }

  tlbBase(vcpu: number): number {
    return this.layout.tlb + vcpu * this.layout.tlbWords;
  }

  /** Words of one level's part of a TLB. */
  get tlbLevelWords(): number {
    return TLB_ENTRY_WORDS << this.config.tlbBits;
  }

  /** Pages per entry of a table at `level`. */
  pages(level: number): number {
    return 1 << ((level - 1) * this.tableBits);
  }

  /** Index of the table page that is the top of L1's root `root`. */
  l1RootTable(root: number): number {
    return this.config.roots[root]?.table ?? root;
  }

  /** Levels of L1's root `root`, from 3 to 5. */
  l1RootLevel(root: number): number {
    return this.config.roots[root]?.level ?? this.config.rootLevel;
  }

  slotOf(gfn: number): MemSlot | undefined {
    const { slots } = this;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      if (gfn >= slot.baseGfn && gfn < slot.baseGfn + slot.npages) return slot;
    }
    return undefined;
  }

  /** kvm_memslots_have_rmaps(): without them there is nothing for the shadow MMU to go over, and no lock to take. */
  get haveRmaps(): boolean {
    return !this.config.tdpMmu || this.get(KVM.shadowRootAllocated) !== 0;
  }

  /** D1: shadow structures change only with `mmu_lock` held for write. */
  assertMmuWrite(cpu: Cpu, what: string): void {
    if ((cpu.held & HELD_MMU_WRITE) === 0) {
      this.observer.broken(cpu, {
        id: 'D1',
        text: `${cpu.name} changed ${what} without mmu_lock held for write`,
        words: [],
      });
    }
  }

  /** write_lock(&kvm->mmu_lock). */
  writeLock(cpu: Cpu): Steps<void> {
    this.observer.lockOrder(cpu, 'mmu_lock', true);
    return this.engine.writeLock(cpu, this.mmuLock);
  }

  /** read_lock(&kvm->mmu_lock). */
  readLock(cpu: Cpu): Steps<void> {
    this.observer.lockOrder(cpu, 'mmu_lock', true);
    return this.engine.readLock(cpu, this.mmuLock);
  }

  /** mmu_lock was taken: nobody else may be inside (D1). */
  private mmuLocked(cpu: Cpu, write: boolean): void {
    this.observer.mmuLocked(cpu);
    const other = write ? this.swapOwner(cpu.actor + 1) : this.w[this.mmuLock.owner]!;
    if (other === 0) return;
    this.observer.broken(cpu, {
      id: 'D1',
      text: write
        ? `${cpu.name} entered the write section of mmu_lock while actor ${other - 1} is inside`
        : `${cpu.name} entered a read section of mmu_lock while actor ${other - 1} writes`,
      words: [this.mmuLock.cnts],
    });
  }

  /** read_unlock(&kvm->mmu_lock). */
  readUnlock(cpu: Cpu): Steps<void> {
    return this.engine.readUnlock(cpu, this.mmuLock);
  }

  /** write_unlock(&kvm->mmu_lock). */
  writeUnlock(cpu: Cpu): Steps<void> {
    this.put(KVM.mmuLastOwner, cpu.actor + 1);
    this.swapOwner(0);
    return this.engine.writeUnlock(cpu, this.mmuLock);
  }

  private swapOwner(value: number): number {
    const word = this.mmuLock.owner;
    if (!this.arena.tracked) return Atomics.exchange(this.w, word, value);
    const old = this.w[word]!;
    this.arena.put(word, value);
    return old;
  }
}
