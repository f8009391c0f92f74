/** D10: a page that holds a shadowed table of L1 cannot be written through any TLB entry (kernel-facts 5.6, A8, B-25). */
import type { Kvm } from '../mmu/kvm.ts';
import { hasIndirectPage } from '../mmu/shadow-page.ts';
import { TLB_W } from '../mmu/tlb.ts';
import { hex } from './naming.ts';
import { slotOfPfn, tlbCursor } from './tlb-cursor.ts';
import type { ReportBroken, StateCheck } from './types.ts';

/** True if the gfn is write-tracked or has an indirect shadow page. */
export function isShadowed(kvm: Kvm, gfn: number): boolean {
  const slot = kvm.slotOf(gfn);
  return slot !== undefined && (kvm.w[slot.writeTrackWord(gfn)]! > 0 || hasIndirectPage(kvm, gfn));
}

/** Reports every usable writable TLB entry over a shadowed gfn of [first, end). */
export function checkShadowedGfns(kvm: Kvm, first: number, end: number, broken: ReportBroken): void {
  const cursor = tlbCursor(kvm);
  while (cursor.next(TLB_W)) {
    const slot = slotOfPfn(kvm, cursor.pfn);
    if (slot === undefined) continue;
    const gfn = slot.baseGfn + (cursor.pfn - slot.config.basePfn);
    const last = Math.min(gfn + kvm.pages(cursor.level), end);
    for (let at = Math.max(gfn, first); at < last; at++) {
      if (!isShadowed(kvm, at)) continue;
      broken(
        'D10',
        `${cursor.label} can write gfn ${hex(at)}, which holds a shadowed table, and no flush is pending`,
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
