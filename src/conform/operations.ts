/** What user space and the guest did, in order. */
import { z } from 'zod';
import { address, count, gfn, hex, name, result, text } from './fields.ts';

/** Totals over the main thread's events of one operation. Those that need a probe may be absent. */
export const counts = z.object({
  /** Key: the errno as text, "0" = split done. */
  split_events_by_errno: z.record(z.string().regex(/^(0|-\d{1,4})$/, 'must be an errno'), count),
  sp_new: count,
  sp_existing: count,
  flush_remote_tlbs: count,
  flush_range: count,
  lock_yields_write: count,
  lock_yields_read: count,
  tdp_spte_changes: count,
  zapped: count,
  topups: count.optional(),
  topups_cache_low: count.optional(),
  topups_resched_only: count.optional(),
  links_with_flush: count.optional(),
});
export type OperationCounts = z.infer<typeof counts>;

const op = z.int().min(0).max(1e9);
const touch = {
  mode: z.enum(['l1', 'l2']),
  vcpu: count,
  access: z.enum(['read', 'write', 'exec', 'slow_write']),
  /** L1 GPA, or L2 GPA in mode `l2`. */
  address,
  count: z
    .int()
    .min(0)
    .max(2 ** 24),
  /** Bytes. */
  stride: address,
  /** Name of the NPT12 root, mode `l2` only. */
  root: name.optional(),
};
const exit = {
  completed: z.boolean(),
  l2_exit_code: z.int().optional(),
  l2_exit_info1: z.int().optional(),
  l2_exit_info2: z.int().optional(),
};
const logging = { slot: count, rc: result.optional(), counts: counts.optional() };

export const operation = z.discriminatedUnion('type', [
  z.object({ op, type: z.literal('set_memslot'), id: count }),
  z.object({ op, type: z.literal('set_nr_mmu_pages'), value: count, rc: result }),
  z.object({ op, type: z.literal('npt12_root'), name, table_gpa: address }),
  z.object({ op, type: z.literal('npt12_map'), root: name, mapping: text }),
  z.object({ op, type: z.literal('access'), ...touch, ...exit }),
  z.object({ op, type: z.literal('background_start'), ...touch, rounds: count.optional() }),
  z.object({ op, type: z.literal('background_join'), vcpu: count, ...exit }),
  z.object({ op, type: z.literal('snapshot'), tag: name }),
  z.object({ op, type: z.literal('enable_manual_protect'), flags: count, rc: result }),
  z.object({ op, type: z.literal('module_param'), name, value: name }),
  z.object({
    op,
    type: z.literal('set_l1_cr4'),
    value: z.string().regex(/^0x[0-9a-f]{1,16}$/, 'must be hex with 0x'),
    rc: result,
  }),
  z.object({ op, type: z.literal('dirty_logging_on'), ...logging }),
  z.object({ op, type: z.literal('dirty_logging_off'), ...logging }),
  z.object({
    op,
    type: z.literal('clear_dirty_log'),
    ...logging,
    first_page: gfn,
    num_pages: gfn,
    /** Every 64-bit word of the bitmap handed in, cut at the end. */
    word_mask: hex,
  }),
  z.object({
    op,
    type: z.literal('get_dirty_log'),
    ...logging,
    /** First gfn and length; at most 16 of the `n_runs` are listed. */
    dirty_runs: z.array(z.tuple([gfn, gfn])).max(16),
    n_runs: count,
    dirty_total: gfn,
  }),
]);
export type Operation = z.infer<typeof operation>;
export type OperationOf<T extends Operation['type']> = Extract<Operation, { type: T }>;
