/**
 * What a page table is called when its id is left out: ids are memory pages, which differ from run to run. A page is
 * known by its MMU, gfn and role, which KVM itself looks it up by.
 */
import type { Role } from '../fields.ts';
import type { Recording } from '../recording.ts';
import type { ShadowPage } from '../snapshots.ts';

const ROLE_BITS = [
  'invalid',
  'efer_nx',
  'cr0_wp',
  'smep_andnot_wp',
  'smap_andnot_wp',
  'ad_disabled',
  'guest_mode',
  'passthrough',
] as const;

/** `7` is `rwx`; without the user bit `rwx(supervisor)`. */
export function accessText(access: number): string {
  const text = `r${(access & 2) === 0 ? '-' : 'w'}${(access & 1) === 0 ? '-' : 'x'}`;
  return (access & 4) === 0 ? `${text}(supervisor)` : text;
}

/** As people say it: `level 1 direct rwx guest_mode efer_nx`. */
export function roleText(role: Role): string {
  const bits = ROLE_BITS.filter((bit) => role[bit] === 1);
  return [
    `level ${role.level}`,
    role.direct === 1 ? 'direct' : 'indirect',
    accessText(role.access),
    ...bits,
  ].join(' ');
}

export const tableText = (gfn: number, role: Role): string => `table of gfn ${gfn} ${roleText(role)}`;

/** Equal for pages that stand for the same. */
export const pageKey = (page: ShadowPage): string => `${page.mmu} ${page.gfn} ${roleText(page.role)}`;
export const pageText = (page: ShadowPage): string =>
  `${page.mmu === 'shadow' ? '' : `${page.mmu} `}${tableText(page.gfn, page.role)}`;

interface Named {
  readonly op: number;
  readonly text: string;
}

/** Ids of the trace by what they name at the time: a memory page may serve twice. */
export class PageNames {
  private readonly byId = new Map<string, Named[]>();

  constructor(recording: Recording) {
    for (const operation of recording.operations) {
      if (operation.type !== 'snapshot') continue;
      for (const page of recording.snapshots[operation.tag]!.shadow_pages)
        this.add(page.id, operation.op, tableText(page.gfn, page.role));
    }
    let op = 0;
    for (const event of recording.events) {
      op = event.op ?? op;
      if (event.type === 'probe_link') this.add(event.sp, op, tableText(event.sp_gfn, event.sp_role));
    }
    for (const list of this.byId.values()) list.sort((a, b) => a.op - b.op);
  }

  private add(id: string, op: number, text: string): void {
    const list = this.byId.get(id);
    if (list === undefined) this.byId.set(id, [{ op, text }]);
    else list.push({ op, text });
  }

  /** The last thing known of the page at that operation, or else the first that is known later. */
  name(id: string, op: number): string {
    const list = this.byId.get(id);
    if (list === undefined) return 'a table that no snapshot holds';
    return (list.findLast((named) => named.op <= op) ?? list[0]!).text;
  }
}
