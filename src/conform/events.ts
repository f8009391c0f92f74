/**
 * The trace of a recording: kernel trace events under their own names and probes of functions. Fields named `old_d`,
 * `spte_d` and so on only decode the field beside them; they are dropped on reading.
 */
import { z } from 'zod';
import { access, at, count, flag, gfn, hex, leafLevel, level, name, result, role } from './fields.ts';

const common = {
  /** Seconds since the first event; only the order means something. */
  t: z.number().min(0).max(1e9),
  /** Number of the operation in progress; null: between two of them. */
  op: z.int().min(0).max(1e9).nullable(),
  /** Absent: the main thread. */
  task: name.optional(),
};

const event = <T extends string, S extends z.ZodRawShape>(type: T, shape: S) =>
  z.object({ ...common, type: z.literal(type), ...shape });

const shadowPage = {
  gfn,
  level,
  direct: flag,
  access,
  invalid: flag,
  root_count: count,
  unsync: z.boolean(),
};
const topup = { desc: count, hdr: count, page: count };

const SCHEMAS = [
  event('kvm_page_fault', { vcpu: count, address: hex, error_code: hex }),
  event('kvm_mmu_pagetable_walk', { addr: hex, pferr: hex, flags: z.string().max(64) }),
  event('kvm_mmu_paging_element', { pte: hex, level }),
  event('kvm_mmu_spte_requested', { gfn, pfn: hex, level: leafLevel }),
  event('kvm_mmu_get_page', { ...shadowPage, created: z.boolean() }),
  event('kvm_mmu_set_spte', { gfn, spte: hex, access: z.string().max(8), level: leafLevel, at }),
  // The next three are of the format; no recording seen so far holds one of them, so their fields may be absent.
  event('kvm_mmu_prepare_zap_page', z.object(shadowPage).partial().shape),
  event('kvm_mmu_sync_page', z.object(shadowPage).partial().shape),
  event('kvm_mmu_unsync_page', z.object(shadowPage).partial().shape),
  event('kvm_mmu_split_huge_page', { gfn, spte: hex, level: leafLevel, errno: result }),
  event('kvm_tdp_mmu_spte_changed', {
    gfn,
    level,
    old: hex,
    new: hex,
    /** So many changes: gfn and pfn grow by one page of the level. */
    count: z
      .int()
      .min(2)
      .max(2 ** 28)
      .optional(),
    t_end: z.number().min(0).max(1e9).optional(),
  }),
  event('fast_page_fault', {
    vcpu: count,
    address: hex,
    error: z.string().max(64),
    old: hex,
    new: hex,
    spurious: flag,
    fixed: flag,
  }),
  event('kvm_nested_vmenter', { nested_rip: hex, nested_cr3: hex }),
  event('kvm_nested_vmexit_inject', { reason: z.string().max(64), info1: hex, info2: hex }),
  event('kvm_unmap_hva_range', { start: z.unknown().optional(), end: z.unknown().optional() }),
  event('probe_slot_split_begin', { base: gfn, npages: gfn, id: count }),
  event('probe_slot_split_end', {}),
  event('probe_range_split_begin', { start: gfn.optional(), end: gfn.optional() }),
  event('probe_range_split_end', {}),
  /** `end` is exclusive. */
  event('probe_shadow_split_begin', { start: gfn, end: gfn }),
  event('probe_shadow_split_end', {}),
  event('probe_tdp_split_begin', { start: gfn, end: gfn, level, shared: flag }),
  event('probe_tdp_split_end', {}),
  event('probe_try_rmap', { rmap_many: flag }),
  event('probe_try_one', { at, spte: hex, ...topup, used: count, max: count }),
  event('probe_try_one_ret', { ret: result }),
  event('probe_topup', topup),
  event('probe_topup_ret', { ret: result }),
  event('probe_link', {
    at,
    old: hex,
    sp_gfn: gfn,
    sp_role: role,
    /** Page id of the new table. */
    sp: name,
    spte0: hex,
    spte1: hex,
    spte511: hex,
    /** Without meaning where the compiler removed the argument (any byte). */
    flush: z.int().min(0).max(255),
  }),
  event('probe_drop_large', { at, spte: hex, flush: z.int().min(0).max(255) }),
  event('probe_flush', {}),
  event('probe_flush_range', { start: gfn, pages: gfn }),
  event('probe_memslot_flush', {}),
  event('probe_cond_resched_write', { ret: flag }),
  event('probe_cond_resched_read', { ret: flag }),
  event('probe_slot_wrprot_begin', { level }),
  event('probe_slot_wrprot_end', {}),
  event('probe_tdp_wrprot', { level }),
  event('probe_log_masked', { offset: gfn, mask: hex }),
  event('probe_gfn_wrprot', { gfn, level }),
  event('probe_gfn_wrprot_ret', { ret: result }),
  event('probe_rmap_recycle', {}),
  event('probe_zap_collapsible', {}),
] as const;

export type RecordedEvent = z.infer<(typeof SCHEMAS)[number]>;
export type EventType = RecordedEvent['type'];
export type EventOf<T extends EventType> = Extract<RecordedEvent, { type: T }>;

/** By type. */
export const EVENT_SCHEMAS: ReadonlyMap<string, (typeof SCHEMAS)[number]> = new Map(
  SCHEMAS.map((schema) => [schema.shape.type.value, schema]),
);

/** What can be said of an event of a type nobody knows. */
export const anyEvent = z.object({ type: name });
