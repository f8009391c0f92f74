/** kvm_mmu_memory_cache: objects allocated ahead, because nothing may sleep under `mmu_lock` (kernel-facts 2.3). */
import { ArenaError } from '../arena/errors.ts';
import type { Pool } from '../arena/pool.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { KernelBug } from './bug.ts';
import { CACHE_OBJECTS } from './config.ts';
import { allocationFails } from './environment.ts';
import type { Kvm } from './kvm.ts';

/** A cache is a word with the number of objects, then the objects. These give the word. */
export interface SplitCaches {
  /** Index of the shard they belong to. */
  readonly shard: number;
  readonly desc: number;
  readonly header: number;
  readonly table: number;
}

export interface VcpuCaches {
  readonly desc: number;
  readonly header: number;
  readonly table: number;
  readonly shadowInfo: number;
}

/**
 * SPLIT_DESC_CACHE_MIN_NR_OBJECTS: one descriptor per new rmap entry and one for parent_ptes (kernel-facts 2.3, C11).
 */
export const splitDescMin = (entries: number): number => entries + 1;
/** Capacity since b9b71f43683a: the minimum plus an ordinary cache. */
export const splitDescCapacity = (entries: number): number => splitDescMin(entries) + CACHE_OBJECTS;

export function splitCaches(kvm: Kvm, shard: number): SplitCaches {
  const { layout } = kvm;
  const desc = layout.splitCaches + shard * layout.splitCacheWords;
  const header = desc + 1 + layout.dims.caches.splitDesc;
  return { shard, desc, header, table: header + 1 + layout.dims.caches.objects };
}

export function vcpuCaches(kvm: Kvm, vcpu: number): VcpuCaches {
  const { layout } = kvm;
  const step = 1 + layout.dims.caches.objects;
  const desc = layout.vcpuCaches + vcpu * layout.vcpuCacheWords;
  return { desc, header: desc + step, table: desc + 2 * step, shadowInfo: desc + 3 * step };
}

/** kvm_mmu_memory_cache_nr_free_objects(). */
export const cacheCount = (kvm: Kvm, cache: number): number => kvm.w[cache]!;

/** kvm_mmu_memory_cache_alloc(): the caller has made sure of an object (C11). */
export function cachePop(kvm: Kvm, cache: number, what: string): number {
  const count = kvm.w[cache]!;
  if (count === 0) throw new KernelBug('C11', `the ${what} cache is empty where it must not be`, [cache]);
  kvm.arena.put(cache, count - 1);
  return kvm.w[cache + count]!;
}

/**
 * __kvm_mmu_topup_memory_cache(): if fewer than `min` objects are there, fills to `capacity`.
 * @param allowed how many objects the allocator hands out before it refuses; those stay in the cache
 * @returns false if the minimum could not be met (-ENOMEM)
 * @throws ArenaError if the arena's pool is exhausted: the scenario was given too little room
 */
export function cacheTopup(
  kvm: Kvm,
  cache: number,
  pool: Pool,
  min: number,
  capacity: number,
  allowed = Number.MAX_SAFE_INTEGER,
): boolean {
  const had = kvm.w[cache]!;
  if (had >= min) return true;
  const wanted = Math.min(capacity - had, allowed);
  const got = pool.allocInto(cache + 1 + had, wanted);
  const count = had + got;
  kvm.arena.put(cache, count);
  if (got < wanted && count < min) {
    throw new ArenaError(
      `out of ${pool.name}: all ${pool.capacity} of the arena are in use; the scenario needs a larger machine`,
    );
  }
  return count >= min;
}

/**
 * Topup of one cache of a vCPU to its capacity. Whatever is allocated outside the split caches comes through here, or asks
 * `allocationFails()` of src/mmu/environment.ts first. It may fail though the cache holds enough: caches of 40 objects never
 * run low on a small machine, and the failure is there for what the caller makes of it.
 * @returns false for -ENOMEM: objects that are there already, or came before the one that failed, stay, and the caller leaves
 * for user space
 */
export function topupVcpuCache(kvm: Kvm, cpu: Cpu, cache: number, pool: Pool, min: number): boolean {
  kvm.observer.maySleep(cpu, 'fills a cache of its vCPU');
  const { objects } = kvm.layout.dims.caches;
  if (!allocationFails(kvm, cpu)) return cacheTopup(kvm, cache, pool, min, objects);
  const missing = min - cacheCount(kvm, cache);
  if (missing > 0) cacheTopup(kvm, cache, pool, min, objects, cpu.choose(missing));
  return false;
}
