/**
 * The layout of the shared memory, computed from the dimensions of a scenario (design 3).
 *
 * All offsets are in 32-bit words from the start of the buffer. Entries of page tables are 64 bit, so the
 * table region starts on an even word; an `sptep` is the index of such an entry in units of 8 bytes.
 */
import { ArenaError } from './errors.ts';

/** Entries a `pte_list_desc` holds (kernel-facts 1.3, PTE_LIST_EXT). */
export const PTE_LIST_EXT = 14;
/** Words of a `pte_list_desc`: more, count, fourteen entries. */
export const DESC_WORDS = 2 + PTE_LIST_EXT;
/** Words of a shadow-page header; the fields are in src/mmu/shadow-page.ts. */
export const HEADER_WORDS = 16;
/** Words of one vCPU's shared state; the fields are in src/mmu/vcpu.ts. */
export const VCPU_WORDS = 40;
/** Words of one TLB entry; the fields are in src/mmu/tlb.ts. */
export const TLB_ENTRY_WORDS = 6;
/** Words of a pool's own state and of each actor's share of it; the fields are in src/arena/pool.ts. */
export const POOL_HEAD_WORDS = 4;
export const POOL_SHARE_WORDS = 4;
/** Pools: page-table headers, page tables, list descriptors, shadowed translations. */
const POOLS = 4;
/** Words of the VM-wide state; the fields are in src/mmu/kvm.ts. */
export const KVM_WORDS = 96;
/** Words of the coordinator's control block; the fields are in src/runtime/control.ts. */
export const CONTROL_WORDS = 32;
/** Words of one actor's control row (state, progress, last operation). */
export const ACTOR_WORDS = 8;

/** Largest arena, in bytes: an sptep shifted left by one must stay a positive 32-bit integer. */
export const MAX_ARENA_BYTES = 8 * 2 ** 30;

/** One memslot as the arena sees it. */
export interface SlotDims {
  /** First guest frame of the slot. */
  readonly baseGfn: number;
  /** Pages (4 KiB) in the slot, at least 1. */
  readonly npages: number;
  /** Index of an earlier slot that shows the same host memory, and so has the same host mappings; itself if absent. */
  readonly hostMapOf?: number | undefined;
}

/** What only some casts of actors need; everything is absent by default, and then costs no memory. */
export interface ExtraDims {
  /** Host page tables per slot: the MMU notifier moves, unmaps and write-protects host pages (kernel-facts 1.1, A9). */
  readonly hostMap: boolean;
  /** Host frames beyond those behind the slots, for pages that move. */
  readonly spareFrames: number;
  /** Entries of each vCPU's PML buffer (kernel-facts 1.5, PML_ENTITY_NUM); 0 without PML. */
  readonly pmlEntries: number;
  /** Entries of each vCPU's dirty ring; 0 with the bitmap. */
  readonly ringEntries: number;
  /** Entries of each vCPU's paging-structure cache; 0 without. */
  readonly pscEntries: number;
}

export const NO_EXTRAS: ExtraDims = {
  hostMap: false,
  spareFrames: 0,
  pmlEntries: 0,
  ringEntries: 0,
  pscEntries: 0,
};
/** Words of one dirty-ring entry: slot index and flags, page offset. */
export const RING_ENTRY_WORDS = 2;
/** Words of one paging-structure cache entry; the fields are in src/mmu/tlb.ts. */
export const PSC_ENTRY_WORDS = 6;

/** Capacities of the memory caches (kernel-facts 2.3), scaled to the table size. */
export interface CacheDims {
  /** Objects a per-vCPU or per-VM cache holds, KVM_ARCH_NR_OBJS_PER_MEMORY_CACHE. */
  readonly objects: number;
  /** Capacity of the split descriptor cache. */
  readonly splitDesc: number;
}

/** Everything the layout depends on. */
export interface ArenaDims {
  /** log2 of the entries of a page table, 2 to 9 (9 is x86). */
  readonly tableBits: number;
  readonly vcpus: number;
  /** Sets of split caches: one per shard that splits. */
  readonly shards: number;
  readonly actors: number;
  /** log2 of the hash buckets (12 in KVM). */
  readonly hashBits: number;
  /** Page tables, and as many headers, that can exist at once, caches included. */
  readonly tables: number;
  /** Indirect shadow pages that can exist at once: each needs a `shadowed_translation`. */
  readonly shadowInfos: number;
  readonly descs: number;
  readonly slots: readonly SlotDims[];
  /** Host frames backing the slots. */
  readonly pfns: number;
  /** Pages of guest memory that hold L1's nested tables. */
  readonly guestTables: number;
  /** log2 of the TLB entries per vCPU and level. */
  readonly tlbBits: number;
  readonly caches: CacheDims;
  readonly extras?: ExtraDims | undefined;
}

/** Where one slot's metadata lies. Indices 1 to 3 of the arrays are page levels; 0 is unused. */
export interface SlotLayout {
  readonly flags: number;
  readonly rmap: readonly [number, number, number, number];
  readonly lpageInfo: readonly [number, number, number, number];
  readonly writeTrack: number;
  readonly dirtyBitmap: number;
  /** User space's copy of the dirty bitmap: harvested, not yet copied. */
  readonly userBitmap: number;
  /** What the migration has copied to the destination, one word per page. */
  readonly destination: number;
  /** Words of each bitmap; a multiple of two, as KVM works in 64-bit words. */
  readonly bitmapWords: number;
  /** One word per page: where the host maps it (src/mmu/memslot.ts); 0 if the host never changes its mappings. */
  readonly hostMap: number;
  /** Per level-2 and level-3 page: how many of its pages the host no longer maps as one huge page. */
  readonly hostBroken: readonly [number, number, number, number];
}

export interface Layout {
  readonly dims: ArenaDims;
  readonly control: number;
  readonly actors: number;
  readonly kvm: number;
  readonly vcpus: number;
  readonly vcpuCaches: number;
  /** Words of one vCPU's four caches. */
  readonly vcpuCacheWords: number;
  readonly splitCaches: number;
  /** Words of one shard's three split caches. */
  readonly splitCacheWords: number;
  readonly pools: number;
  readonly hash: number;
  readonly tlb: number;
  /** Words of one vCPU's TLB. */
  readonly tlbWords: number;
  readonly slots: readonly SlotLayout[];
  readonly memory: number;
  /** Ring of free host frames (src/mmu/host/frames.ts). */
  readonly frames: number;
  /** One word per actor: its RCU read section (src/mmu/tdp/rcu.ts). */
  readonly rcu: number;
  readonly pml: number;
  readonly rings: number;
  readonly psc: number;
  readonly headers: number;
  readonly tableOwner: number;
  readonly descs: number;
  readonly shadowInfo: number;
  /** unsync_child_bitmap of the indirect page with the same shadowInfo index, `unsyncWords` words each. */
  readonly unsyncBitmaps: number;
  readonly unsyncWords: number;
  /** Even word where L1's tables start; entries are 64 bit. */
  readonly guestTables: number;
  /** Even word where the page tables start. */
  readonly tables: number;
  readonly words: number;
  /** The parts with their bytes, for the refusal message and the report. */
  readonly parts: readonly { readonly name: string; readonly bytes: number }[];
}

/** Words of one pool's state. */
export const poolWords = (actors: number): number => POOL_HEAD_WORDS + POOL_SHARE_WORDS * actors;

/** Gfns per page of `level` (1 to 5). */
export function pagesPerHpage(level: number, tableBits: number): number {
  return 2 ** ((level - 1) * tableBits);
}

/** Index of `gfn` among the pages of `level` of a slot that starts at `baseGfn`. */
export function gfnToIndex(gfn: number, baseGfn: number, level: number, tableBits: number): number {
  const shift = (level - 1) * tableBits;
  return (gfn >>> shift) - (baseGfn >>> shift);
}

function checkRange(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new ArenaError(`${name}: ${value} given, an integer from ${min} to ${max} is allowed`);
  }
}

/**
 * Computes the layout.
 * @throws ArenaError if a dimension is out of range or the sum exceeds what indices can address.
 */
export function computeLayout(dims: ArenaDims): Layout {
  checkRange('tableBits', dims.tableBits, 2, 9);
  checkRange('vcpus', dims.vcpus, 1, 1024);
  checkRange('shards', dims.shards, 1, 256);
  checkRange('hashBits', dims.hashBits, 1, 16);
  checkRange('tlbBits', dims.tlbBits, 0, 12);
  const entries = 1 << dims.tableBits;
  const extras = dims.extras ?? NO_EXTRAS;
  checkRange('pmlEntries', extras.pmlEntries, 0, 512);
  checkRange('ringEntries', extras.ringEntries, 0, 65_536);
  checkRange('pscEntries', extras.pscEntries, 0, 1024);
  let next = 0;
  const parts: { name: string; bytes: number }[] = [];
  const take = (name: string, words: number): number => {
    const at = next;
    next += words + (words & 1);
    const last = parts[parts.length - 1];
    if (last !== undefined && last.name === name) last.bytes += words * 4;
    else parts.push({ name, bytes: words * 4 });
    return at;
  };

  const control = take('control words', CONTROL_WORDS);
  const actors = take('control words', ACTOR_WORDS * dims.actors);
  const kvm = take('control words', KVM_WORDS);
  const vcpus = take('control words', VCPU_WORDS * dims.vcpus);
  const pools = take('control words', POOLS * poolWords(dims.actors));
  const vcpuCacheWords = 4 * (1 + dims.caches.objects);
  const vcpuCaches = take('memory caches', vcpuCacheWords * dims.vcpus);
  const splitCacheWords = 1 + dims.caches.splitDesc + 2 * (1 + dims.caches.objects);
  const splitCaches = take('memory caches', splitCacheWords * dims.shards);
  const hash = take('hash buckets', 1 << dims.hashBits);
  const tlbWords = 3 * (TLB_ENTRY_WORDS << dims.tlbBits);
  const tlb = take('TLBs', tlbWords * dims.vcpus);
  const psc = take('TLBs', PSC_ENTRY_WORDS * extras.pscEntries * dims.vcpus);
  const rcu = take('control words', Math.max(dims.actors, dims.vcpus));
  const pml = take('PML buffers', extras.pmlEntries * dims.vcpus);
  const rings = take('dirty rings', RING_ENTRY_WORDS * extras.ringEntries * dims.vcpus);

  const shares = (slot: SlotDims, index: number): boolean => (slot.hostMapOf ?? index) !== index;
  const ownSlots = dims.slots.map((slot, index): SlotLayout => {
    checkRange('slot.npages', slot.npages, 1, 2 ** 30);
    const count = (level: number): number =>
      gfnToIndex(slot.baseGfn + slot.npages - 1, slot.baseGfn, level, dims.tableBits) + 1;
    const bitmapWords = 2 * Math.ceil(slot.npages / 64);
    return {
      flags: take('memslots', 2),
      rmap: [0, take('rmap heads', count(1)), take('rmap heads', count(2)), take('rmap heads', count(3))],
      lpageInfo: [0, 0, take('lpage_info', count(2)), take('lpage_info', count(3))],
      writeTrack: take('write tracking', slot.npages),
      dirtyBitmap: take('dirty bitmaps', bitmapWords),
      userBitmap: take('dirty bitmaps', bitmapWords),
      destination: take('migration destination', slot.npages),
      bitmapWords,
      hostMap: extras.hostMap && !shares(slot, index) ? take('host mappings', slot.npages) : 0,
      hostBroken:
        extras.hostMap && !shares(slot, index)
          ? [0, 0, take('host mappings', count(2)), take('host mappings', count(3))]
          : [0, 0, 0, 0],
    };
  });
  const slots = ownSlots.map((slot, index) => {
    const { hostMap, hostBroken } = ownSlots[dims.slots[index]!.hostMapOf ?? index]!;
    return { ...slot, hostMap, hostBroken };
  });
  const memory = take('guest memory', dims.pfns);
  const frames = take('host mappings', extras.spareFrames + 2);
  const headers = take('shadow-page headers', HEADER_WORDS * (dims.tables + 1));
  const tableOwner = take('shadow-page headers', dims.tables + 1);
  const descs = take('rmap descriptors', DESC_WORDS * (dims.descs + 1));
  const shadowInfo = take('shadowed translations', entries * (dims.shadowInfos + 1));
  const unsyncWords = Math.max(1, entries >> 5);
  const unsyncBitmaps = take('shadowed translations', unsyncWords * (dims.shadowInfos + 1));
  const guestTables = take("L1's nested tables", 2 * entries * dims.guestTables);
  const tables = take('page tables', 2 * entries * (dims.tables + 1));

  const layout: Layout = {
    dims,
    control,
    actors,
    kvm,
    vcpus,
    vcpuCaches,
    vcpuCacheWords,
    splitCaches,
    splitCacheWords,
    pools,
    hash,
    tlb,
    tlbWords,
    slots,
    memory,
    frames,
    rcu,
    pml,
    rings,
    psc,
    headers,
    tableOwner,
    descs,
    shadowInfo,
    unsyncBitmaps,
    unsyncWords,
    guestTables,
    tables,
    words: next,
    parts: mergeParts(parts),
  };
  if (next * 4 > MAX_ARENA_BYTES) {
    throw new ArenaError(
      `the machine does not fit: ${describeParts(layout)}; at most ${formatBytes(MAX_ARENA_BYTES)} can be addressed`,
    );
  }
  return layout;
}

function mergeParts(parts: readonly { name: string; bytes: number }[]): { name: string; bytes: number }[] {
  const sums = new Map<string, number>();
  for (const part of parts) sums.set(part.name, (sums.get(part.name) ?? 0) + part.bytes);
  return [...sums].map(([name, bytes]) => ({ name, bytes }));
}

/** `1.5 GiB` and the like. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}

/** The sum and its parts in one line, largest first. */
export function describeParts(layout: Layout): string {
  const sorted = [...layout.parts].sort((a, b) => b.bytes - a.bytes);
  const list = sorted
    .filter((part) => part.bytes > 0)
    .map((part) => `${part.name} ${formatBytes(part.bytes)}`);
  return `${formatBytes(layout.words * 4)} needed (${list.join(', ')})`;
}
