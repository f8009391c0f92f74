/** Q40: nothing maps a gfn of a slot that was deleted (kernel-facts A18, B-50, B-51). */
import { KVM_MAX_HUGEPAGE_LEVEL } from '../mmu/config.ts';
import { isLarge, isShadowPresent } from '../mmu/format.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { MEMSLOT_GONE, type MemSlot } from '../mmu/memslot.ts';
import { roleLevel } from '../mmu/role.ts';
import { SP } from '../mmu/shadow-page.ts';
import { ROOT_L1, VCPU } from '../mmu/vcpu-words.ts';
import { HeadCursor } from './head-cursor.ts';
import { hex, sptepName } from './naming.ts';
import { tdpWalk } from './tdp-walk.ts';
import type { ReportBroken, StateCheck } from './types.ts';

/** The reverse maps of a slot go with it: whatever is still in them points at freed memory one day. */
function checkRmaps(kvm: Kvm, slot: MemSlot, broken: ReportBroken): void {
  for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
    const last = slot.rmapWord(slot.baseGfn + slot.npages - 1, level);
    for (let head = slot.rmapWord(slot.baseGfn, level); head <= last; head++) {
      if (kvm.w[head] === 0) continue;
      broken(
        'Q40',
        `slot ${slot.config.id} is gone, and ${sptepName(kvm, new HeadCursor(kvm).first(head))} still maps a page of it`,
        [head],
      );
      return;
    }
  }
}

/** True if every page of [gfn, gfn + pages) is in a slot that is there. */
function isMappable(kvm: Kvm, gfn: number, pages: number): boolean {
  const slot = kvm.slots.find(
    ({ baseGfn, npages, gone }) => !gone && gfn >= baseGfn && gfn < baseGfn + npages,
  );
  return slot !== undefined && gfn + pages <= slot.baseGfn + slot.npages;
}

/** A root that its last user let go is zapped by him, in his own time, and nobody can reach it meanwhile. */
function isUsed(kvm: Kvm, root: number): boolean {
  for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
    if (kvm.w[kvm.vcpuWord(vcpu) + VCPU.roots + ROOT_L1] === root) return true;
  }
  return false;
}

function checkTdpLeaves(kvm: Kvm, broken: ReportBroken): void {
  const walk = tdpWalk(kvm);
  if (walk === undefined) return;
  for (let p = 0; p < walk.count; p++) {
    const first = walk.firstEntry(p);
    const header = kvm.header(walk.pages[p]!);
    const level = roleLevel(kvm.w[header + SP.role]!);
    const pages = kvm.pages(level);
    if (first === 0 || (!walk.isValid(p) && !isUsed(kvm, walk.roots[p]!))) continue;
    for (let i = 0; i < kvm.entries; i++) {
      const lo = kvm.w[(first + i) * 2]!;
      if (!isShadowPresent(lo) || (level > 1 && !isLarge(lo))) continue;
      const gfn = kvm.w[header + SP.gfn]! + i * pages;
      if (isMappable(kvm, gfn, pages) || isBeingDeleted(kvm, gfn)) continue;
      broken('Q40', `${sptepName(kvm, first + i)} maps gfn ${hex(gfn)}, and its slot is gone`, [
        (first + i) * 2,
      ]);
      return;
    }
  }
}

/** The slot is INVALID, and its mappings are on their way out. */
const isBeingDeleted = (kvm: Kvm, gfn: number): boolean =>
  kvm.slots.some(
    ({ flagsWord, baseGfn, npages }) =>
      (kvm.w[flagsWord]! & MEMSLOT_GONE) === 0 && gfn >= baseGfn && gfn < baseGfn + npages,
  );

export const goneSlotCheck: StateCheck = {
  ids: ['Q40'],
  when: 'end',
  run(kvm, broken) {
    if (kvm.slots.every((slot) => (kvm.w[slot.flagsWord]! & MEMSLOT_GONE) === 0)) return;
    checkTdpLeaves(kvm, broken);
    for (let i = 0; i < kvm.slots.length; i++) {
      const slot = kvm.slots[i]!;
      if ((kvm.w[slot.flagsWord]! & MEMSLOT_GONE) !== 0) checkRmaps(kvm, slot, broken);
    }
  },
};
