/** The role word of a shadow page, field by field (kernel-facts 2.5). */
import type { Role } from './fields.ts';

type Bit = 0 | 1;
const bit = (role: number, at: number): Bit => ((role >>> at) & 1) as Bit;

export function roleFields(role: number): Role {
  return {
    level: role & 0xf,
    direct: bit(role, 7),
    access: (role >>> 8) & 7,
    invalid: bit(role, 11),
    efer_nx: bit(role, 12),
    cr0_wp: bit(role, 13),
    smep_andnot_wp: bit(role, 14),
    smap_andnot_wp: bit(role, 15),
    ad_disabled: bit(role, 16),
    guest_mode: bit(role, 17),
    passthrough: bit(role, 18),
  };
}
