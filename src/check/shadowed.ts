/** D10: a page that holds a shadowed table of L1 cannot be written through any TLB entry (kernel-facts 5.6, A8, B-25). */
import type { Kvm } from '../mmu/kvm.ts';
import { TLB_W } from '../mmu/tlb.ts';
import { hex } from './naming.ts';
import { SYNCED, shadowedAs } from './protected.ts';
import { tlbCursor } from './tlb-cursor.ts';
import type { ReportBroken, StateCheck } from './types.ts';

/** True if the gfn is write-tracked or has a shadow page that is in sync with it. */
export function isShadowed(kvm: Kvm, gfn: number): boolean {
  const slot = kvm.slotOf(gfn);
  return slot !== undefined && (kvm.w[slot.writeTrackWord(gfn)]! > 0 || shadowedAs(kvm, gfn) === SYNCED);
}

/** Reports every usable writable TLB entry over a shadowed gfn of [first, end), which lie in one slot. */
export function checkShadowedGfns(kvm: Kvm, first: number, end: number, broken: ReportBroken): void {
  const slot = kvm.slotOf(first);
  if (slot === undefined) return;
  const last = Math.min(end, slot.baseGfn + slot.npages);
  const moves = slot.layout.hostMap !== 0;
  const firstPfn = slot.config.basePfn + (first - slot.baseGfn);
  const cursor = tlbCursor(kvm);
  while (cursor.next(TLB_W)) {
    const endPfn = cursor.pfn + kvm.pages(cursor.level);
    // Where the host moves nothing, nearly all entries are nowhere near.
    if (!moves && (endPfn <= firstPfn || cursor.pfn >= firstPfn + (last - first))) continue;
    for (let gfn = first; gfn < last; gfn++) {
      const pfn = slot.pfn(gfn);
      if (pfn < cursor.pfn || pfn >= endPfn || !slot.hostPresent(gfn) || !isShadowed(kvm, gfn)) continue;
      broken(
        'D10',
        `${cursor.label} can write gfn ${hex(gfn)}, which holds a shadowed table, and no flush is pending`,
        [cursor.word],
      );
      break;
    }
  }
}

/** Only L1's table pages can be shadowed. */
export const shadowedCheck: StateCheck = {
  ids: ['D10'],
  when: 'release',
  run(kvm, broken) {
    const { tableGfn, tablePages } = kvm.config;
    checkShadowedGfns(kvm, tableGfn, tableGfn + tablePages, broken);
  },
};
