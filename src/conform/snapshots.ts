/** Dumps of KVM's structures. */
import { z } from 'zod';
import { access, at, count, flag, gfn, hex, index, name, role } from './fields.ts';

/**
 * A non-zero SPTE. A leaf with `n` stands for entries i..i+n-1 whose SPTEs grow by `step`; `gfn` (of the first) and
 * `access` are what KVM remembers of the guest's entry in pages that are not direct. Table: `child` is a page id.
 */
export const entry = z.object({
  i: index,
  t: z.enum(['table', 'leaf', 'nonpresent']),
  spte: hex,
  n: z.int().min(1).max(512).optional(),
  step: hex.optional(),
  child: name.optional(),
  gfn: gfn.optional(),
  access: access.optional(),
});
export type Entry = z.infer<typeof entry>;

export const shadowPage = z.object({
  /** Names the page in this file only. */
  id: name,
  mmu: z.enum(['shadow', 'tdp-root', 'tdp']),
  gfn,
  role,
  root_count: count,
  unsync: flag,
  nx_huge_page_disallowed: flag,
  /** SPTEs that point here, in list order. */
  parents: z.array(at).max(100_000).optional(),
  /** Lengths of the chained descriptors that hold `parents`, first to last. */
  parent_descs: z.array(count).max(10_000).optional(),
  /** In ascending order of `i`. */
  entries: z.array(entry).max(512),
});
export type ShadowPage = z.infer<typeof shadowPage>;

/** gfn + k * size(level), k < n, has this list with every index + k. */
export const rmap = z.object({
  gfn,
  n: z
    .int()
    .min(1)
    .max(2 ** 20),
  /** Lengths of the descriptors, first to last; empty: one entry in the head itself. */
  descs: z.array(count).max(10_000),
  list: z.array(at).min(1).max(100_000),
});
export type Rmap = z.infer<typeof rmap>;

const rmaps = z.array(rmap).max(2 ** 20);
const disallowed = z.array(z.tuple([gfn, count])).max(2 ** 20);

export const slot = z.object({
  id: count,
  base_gfn: gfn,
  npages: gfn,
  dirty_logging: z.boolean(),
  /** By level. */
  rmaps: z.object({ '1': rmaps, '2': rmaps, '3': rmaps }),
  /** [gfn, count] where a huge page of that level is forbidden. */
  disallow_lpage: z.object({ '2': disallowed, '3': disallowed }),
});
export type Slot = z.infer<typeof slot>;

const cache = z.object({ nobjs: count, capacity: count });

export const snapshot = z.object({
  n_used_mmu_pages: count,
  n_requested_mmu_pages: count,
  n_max_mmu_pages: count,
  indirect_shadow_pages: count,
  split_caches: z.object({ split_desc: cache, split_page_header: cache, split_shadow_page: cache }),
  shadow_root_allocated: z.boolean(),
  /** The shadow MMU's in the order of the active list, newest first; then TDP roots, then the other TDP pages. */
  shadow_pages: z.array(shadowPage).max(200_000),
  slots: z.array(slot).max(512),
});
export type Snapshot = z.infer<typeof snapshot>;

/** Counters that KVM exports: the VM's, and under `vcpuN` those of a vCPU. */
export const counters = z.record(name, z.union([z.int(), z.record(name, z.int())]));
export type Counters = z.infer<typeof counters>;
