/** The 32-bit role word of a shadow page (kernel-facts 2.5), packed as the kernel packs it. */

const DIRECT = 1 << 7;
const ACCESS_SHIFT = 8;
const INVALID = 1 << 11;
const AD_DISABLED = 1 << 16;
const GUEST_MODE = 1 << 17;
const PASSTHROUGH = 1 << 18;
const QUADRANT_MASK = 3 << 5;
export const ROLE_INVALID = INVALID;
/** sync_role_ign: where the role of a page below a root may differ from the root's (and INVALID, which is no MMU's role). */
export const SYNC_ROLE_IGN = 0xf | (7 << ACCESS_SHIFT) | QUADRANT_MASK | PASSTHROUGH | INVALID;

export interface RoleFields {
  readonly level: number;
  readonly direct: boolean;
  readonly access: number;
  readonly efer_nx?: boolean;
  readonly cr0_wp?: boolean;
  readonly smep_andnot_wp?: boolean;
  readonly smap_andnot_wp?: boolean;
  readonly ad_disabled?: boolean;
  readonly guest_mode: boolean;
  readonly smm?: number;
}

export function makeRole(fields: RoleFields): number {
  return (
    (fields.level & 0xf) |
    (fields.direct ? DIRECT : 0) |
    ((fields.access & 7) << ACCESS_SHIFT) |
    (fields.efer_nx === true ? 1 << 12 : 0) |
    (fields.cr0_wp === true ? 1 << 13 : 0) |
    (fields.smep_andnot_wp === true ? 1 << 14 : 0) |
    (fields.smap_andnot_wp === true ? 1 << 15 : 0) |
    (fields.ad_disabled === true ? AD_DISABLED : 0) |
    (fields.guest_mode ? GUEST_MODE : 0) |
    ((fields.smm ?? 0) << 24)
  );
}

export const roleLevel = (role: number): number => role & 0xf;
export const roleDirect = (role: number): boolean => (role & DIRECT) !== 0;
export const roleAccess = (role: number): number => (role >> ACCESS_SHIFT) & 7;
export const roleInvalid = (role: number): boolean => (role & INVALID) !== 0;
export const roleGuestMode = (role: number): boolean => (role & GUEST_MODE) !== 0;
export const rolePassthrough = (role: number): boolean => (role & PASSTHROUGH) !== 0;
export const roleAdDisabled = (role: number): boolean => (role & AD_DISABLED) !== 0;

/**
 * kvm_mmu_child_role() (kernel-facts 3.8 step 2): the parent's role one level down, with the child's own access and
 * directness; never passthrough, and never invalid (5ec42d57655c).
 */
export function childRole(parent: number, direct: boolean, access: number): number {
  const kept = parent & ~(0xf | DIRECT | (7 << ACCESS_SHIFT) | PASSTHROUGH | QUADRANT_MASK | INVALID);
  return kept | ((roleLevel(parent) - 1) & 0xf) | (direct ? DIRECT : 0) | ((access & 7) << ACCESS_SHIFT);
}

/** `L2 direct rwx guest` and the like. */
export function describeRole(role: number): string {
  const access = roleAccess(role);
  const rwx = `${access & 4 ? 'r' : '-'}${access & 2 ? 'w' : '-'}${access & 1 ? 'x' : '-'}`;
  return `L${roleLevel(role)} ${roleDirect(role) ? 'direct' : 'indirect'} ${rwx}${roleInvalid(role) ? ' invalid' : ''}`;
}
