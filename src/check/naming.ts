/** How checks name what they found. Everything here accepts a broken state: indices may point anywhere. */
import type { Kvm } from '../mmu/kvm.ts';
import { describeRole } from '../mmu/role.ts';
import { SP } from '../mmu/shadow-page.ts';

/** `0x40`. */
export const hex = (value: number): string => `0x${value.toString(16)}`;

/** Both halves of an SPTE as one number: `0x0600000000040bf7`. */
export function spteText(lo: number, hi: number): string {
  return `0x${(hi >>> 0).toString(16).padStart(8, '0')}${(lo >>> 0).toString(16).padStart(8, '0')}`;
}

/** `page 5 (L2 direct rwx, gfn 0x40)`. */
export function pageName(kvm: Kvm, sp: number): string {
  if (sp <= 0 || sp > kvm.layout.dims.tables) return `header ${sp}, which does not exist`;
  const header = kvm.header(sp);
  return `page ${sp} (${describeRole(kvm.w[header + SP.role]!)}, gfn ${hex(kvm.w[header + SP.gfn]!)})`;
}

/** `entry 2 of page 5 (L2 direct rwx, gfn 0x40)`. */
export const entryName = (kvm: Kvm, sp: number, index: number): string =>
  `entry ${index} of ${pageName(kvm, sp)}`;

/** The place of an sptep taken from a list, wherever it points. */
export function sptepName(kvm: Kvm, sptep: number): string {
  const table = (sptep - kvm.tablesQ) >> kvm.tableBits;
  if (sptep < kvm.tablesQ || table < 1 || table > kvm.layout.dims.tables)
    return `sptep ${sptep}, outside all tables`;
  const index = (sptep - kvm.tablesQ) & (kvm.entries - 1);
  const owner = kvm.w[kvm.tableOwner + table]!;
  return owner === 0 ? `entry ${index} of free table ${table}` : entryName(kvm, owner, index);
}

/** `rwx`, `r--`. */
export const accessText = (access: number): string =>
  `${access & 4 ? 'r' : '-'}${access & 2 ? 'w' : '-'}${access & 1 ? 'x' : '-'}`;
