/**
 * What KVM counts about shadowed tables (kernel-facts 6.4, Q54 to Q56): the counters against the pages themselves.
 *
 * A page is accounted from its creation until it is zapped, which is as long as it is on the active list.
 */
import { KVM_MAX_HUGEPAGE_LEVEL } from '../mmu/config.ts';
import { KVM } from '../mmu/kvm.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import { roleDirect, roleLevel } from '../mmu/role.ts';
import { SP } from '../mmu/shadow-page.ts';
import { hex } from './naming.ts';
import { pageWalk, type PageWalk } from './page-walk.ts';
import type { ReportBroken, StateCheck } from './types.ts';

/** Scratch: expected counters of one slot and level. */
let expected = new Int32Array(1024);

function scratch(length: number): Int32Array {
  if (length > expected.length) expected = new Int32Array(length);
  return expected.fill(0, 0, length);
}

/** Calls `each` for the gfn and level of every accounted page of the slot. */
function eachAccounted(walk: PageWalk, slot: MemSlot, each: (gfn: number, level: number) => void): void {
  const { kvm, pages } = walk;
  for (let p = 0; p < walk.count; p++) {
    const header = kvm.header(pages[p]!);
    const role = kvm.w[header + SP.role]!;
    const gfn = kvm.w[header + SP.gfn]!;
    if (roleDirect(role) || gfn < slot.baseGfn || gfn >= slot.baseGfn + slot.npages) continue;
    each(gfn, roleLevel(role));
  }
}

/** Q54: misalignment of the slot, and one for each accounted page whose gfn is in the range. */
function checkDisallowLpage(walk: PageWalk, slot: MemSlot, broken: ReportBroken): void {
  const { kvm } = walk;
  const last = slot.baseGfn + slot.npages - 1;
  for (let level = 2; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
    const first = slot.lpageInfoWord(slot.baseGfn, level);
    const count = slot.lpageInfoWord(last, level) - first + 1;
    const wanted = scratch(count);
    const pages = kvm.pages(level);
    if (slot.config.hvaMisaligned) wanted.fill(1, 0, count);
    else {
      if (slot.baseGfn % pages !== 0) wanted[0] = 1;
      if ((last + 1) % pages !== 0) wanted[count - 1] = 1;
    }
    eachAccounted(walk, slot, (gfn) => wanted[slot.lpageInfoWord(gfn, level) - first]!++);
    for (let i = 0; i < count; i++) {
      const value = kvm.w[first + i]!;
      if (value === wanted[i] || !walk.admit('Q54')) continue;
      broken(
        'Q54',
        `disallow_lpage of the level-${level} page ${i} of slot ${slot.config.id} is ${value}, and misalignment and shadowed tables make ${wanted[i]}`,
        [first + i],
      );
    }
  }
}

/** Q55: only pages above level 1 are tracked for good; those of level 1 may go out of sync. */
function checkWriteTrack(walk: PageWalk, slot: MemSlot, broken: ReportBroken): void {
  const { kvm } = walk;
  const first = slot.writeTrackWord(slot.baseGfn);
  let tracked = 0;
  let sum = 0;
  for (let i = 0; i < slot.npages; i++) sum += kvm.w[first + i]!;
  eachAccounted(walk, slot, (gfn, level) => {
    if (level === 1) return;
    tracked++;
    let same = 0;
    eachAccounted(walk, slot, (other, otherLevel) => {
      if (other === gfn && otherLevel > 1) same++;
    });
    const word = slot.writeTrackWord(gfn);
    if (kvm.w[word] === same || !walk.admit('Q55')) return;
    broken(
      'Q55',
      `the write tracking of gfn ${hex(gfn)} is ${kvm.w[word]}, and ${same} pages above level 1 shadow it`,
      [word],
    );
  });
  if (sum === tracked || !walk.admit('Q55')) return;
  broken(
    'Q55',
    `the write tracking of slot ${slot.config.id} sums up to ${sum}, and ${tracked} pages above level 1 shadow its gfns`,
    [first],
  );
}

export const accountCheck: StateCheck = {
  ids: ['Q54', 'Q55', 'Q56'],
  when: 'end',
  run(kvm, broken) {
    const walk = pageWalk(kvm);
    walk.begin(broken);
    let indirect = 0;
    for (let p = 0; p < walk.count; p++) {
      if (!roleDirect(kvm.w[kvm.header(walk.pages[p]!) + SP.role]!)) indirect++;
    }
    const counted = kvm.get(KVM.indirectShadowPages);
    if (counted !== indirect) {
      broken('Q56', `indirect_shadow_pages is ${counted}, and ${indirect} accounted pages are active`, [
        kvm.base + KVM.indirectShadowPages,
      ]);
    }
    for (let i = 0; i < kvm.slots.length; i++) {
      const slot = kvm.slots[i]!;
      // What a slot counted goes with it.
      if (slot.gone) continue;
      checkDisallowLpage(walk, slot, broken);
      checkWriteTrack(walk, slot, broken);
    }
  },
};
