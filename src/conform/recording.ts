/**
 * A recording: what a kernel, or the model in its place, did in one experiment. The format is described in
 * docs/conformance.md; this is its schema, format 1.
 */
import { z } from 'zod';
import type { RecordedEvent } from './events.ts';
import { address, count, flag, gfn, leafLevel, name, text } from './fields.ts';
import { operation, type Operation } from './operations.ts';
import { counters, snapshot, type Counters, type Snapshot } from './snapshots.ts';

/** The only version of the format. */
export const FORMAT = 1;

const memslot = z.object({
  id: count,
  /** Bytes, as `size`. Slot 0 is the work area: code, page tables and NPT12. */
  gpa: address,
  size: address.min(4096),
  /** Size of the host's pages. */
  backing: z.enum(['4k', '2m', '1g', 'thp']),
  base_gfn: gfn.optional(),
  npages: gfn.optional(),
  /** By how many bytes the slot starts after the start of its first host huge page. */
  hva_offset_in_huge_page: address.optional(),
  note: text.optional(),
});
export type Memslot = z.infer<typeof memslot>;

/** `count` leaves: number k maps `l2_gpa + k * size(level)` to `l1_gpa + k * l1_step`. */
const mapping = z.object({
  l2_gpa: address,
  l1_gpa: address,
  level: leafLevel,
  count: z
    .int()
    .min(1)
    .max(2 ** 20),
  l1_step: address,
  perm: z.string().regex(/^rw?x?$/, 'must be r, rw, rx or rwx'),
  accessed: flag,
  dirty: flag,
});
export type Mapping = z.infer<typeof mapping>;

const root = z.object({
  name,
  table_gpa: address,
  /** In order of creation; the first is L2's code page. */
  mappings: z.array(mapping).max(10_000),
});
export type Npt12Root = z.infer<typeof root>;

const setup = z.object({
  vcpus: z.int().min(1).max(64),
  memslots: z.array(memslot).min(1).max(512),
  npt12_roots: z.array(root).max(64),
  /** By name: `tdp_mmu`, `eager_page_split`, `nx_huge_pages`. */
  module_params: z.record(name, name),
  /** CR4 of L1 at the start, hex with 0x. */
  l1_cr4: z.string().regex(/^0x[0-9a-f]{1,16}$/, 'must be hex with 0x'),
});
export type Setup = z.infer<typeof setup>;

/** All but the events, which are read one by one: types that nobody knows are counted there, not refused. */
export const recordingSchema = z.object({
  name,
  description: text,
  format: z.literal(FORMAT),
  kernel: z.object({ release: text, module: text, variant: text }),
  cpu: text,
  setup,
  operations: z.array(operation).max(10_000),
  snapshots: z.record(name, snapshot),
  stats: z.record(name, counters),
  events: z.array(z.unknown()).max(2_000_000),
});

export interface Recording extends Omit<z.infer<typeof recordingSchema>, 'events'> {
  operations: Operation[];
  /** By tag, in the order in which they were taken. */
  snapshots: Record<string, Snapshot>;
  /** By tag: the counters at the same points. */
  stats: Record<string, Counters>;
  events: RecordedEvent[];
}
