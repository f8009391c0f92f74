/** Kinds of values that a recording consists of, with the sizes above which a file is not believed. */
import { z } from 'zod';

/** 64 bits as a recording writes them: lower-case hex without `0x`. */
export const hex = z.string().regex(/^[0-9a-f]{1,16}$/, 'must be 1 to 16 lower-case hex digits');
/** 48 bits of address are 36 of gfn; some head room. */
export const gfn = z
  .int()
  .min(0)
  .max(2 ** 40);
/** In bytes. */
export const address = z
  .int()
  .min(0)
  .max(2 ** 52);
export const count = z
  .int()
  .min(0)
  .max(2 ** 32);
export const text = z.string().max(4096);
export const name = z.string().min(1).max(200);
export const flag = z.union([z.literal(0), z.literal(1)]);
/** Of a page table: 1 to 3 map pages, 4 and 5 are above. */
export const level = z.int().min(1).max(5);
export const leafLevel = z.int().min(1).max(3);
export const access = z.int().min(0).max(7);
export const index = z.int().min(0).max(511);
/** Page id and index: the place of an SPTE. */
export const at = z.tuple([name, index]);
/** What a kernel function returned: 0, or a negative errno. */
export const result = z
  .int()
  .min(-4095)
  .max(2 ** 32);

export const role = z.object({
  level,
  direct: flag,
  /** Bit 0 exec, 1 write, 2 user. */
  access,
  invalid: flag,
  efer_nx: flag,
  cr0_wp: flag,
  smep_andnot_wp: flag,
  smap_andnot_wp: flag,
  ad_disabled: flag,
  guest_mode: flag,
  passthrough: flag,
});
export type Role = z.infer<typeof role>;
