/**
 * Reverse maps against leaves, both ways (kernel-facts 6.2, Q19 to Q23).
 *
 * Linear: each entry of each head is tested backward (is it a leaf, is this its head) and marked; then each leaf of
 * each table must be marked. An entry that passes has only one head it can be in, so the mark proves the forward
 * direction without a search.
 */
import { isLarge, isShadowPresent, SPTE_MMU_PRESENT, SPTE_PS } from '../mmu/format.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../mmu/config.ts';
import { roleLevel } from '../mmu/role.ts';
import { pageGetGfn, SP } from '../mmu/shadow-page.ts';
import { entryName, hex, spteText, sptepName } from './naming.ts';
import { pageWalk, type PageWalk } from './page-walk.ts';
import type { StateCheck } from './types.ts';

/** `the rmap of gfn 0x40 at level 2`. */
function headName(walk: PageWalk, slot: MemSlot, level: number, head: number): string {
  const shift = (level - 1) * walk.kvm.tableBits;
  const index = head - slot.layout.rmap[level as 1 | 2 | 3] + (slot.baseGfn >>> shift);
  return `the rmap of gfn ${hex(index * walk.kvm.pages(level))} at level ${level}`;
}

/** Q19, Q20, Q21 and Q23: the entry `sptep` of a head. */
function checkEntry(walk: PageWalk, slot: MemSlot, level: number, head: number, sptep: number): void {
  const { kvm } = walk;
  const { w } = kvm;
  const sp = walk.holderOf(sptep);
  if (sp === 0) {
    if (walk.admit('Q20')) {
      walk.report(
        'Q20',
        `${headName(walk, slot, level, head)} names ${sptepName(kvm, sptep)}, which is no live page's`,
        [head],
      );
    }
    return;
  }
  const index = (sptep - kvm.tablesQ) & (kvm.entries - 1);
  const lo = w[sptep * 2]!;
  if (!isShadowPresent(lo)) {
    if (walk.admit('Q23')) {
      walk.report(
        'Q23',
        `${headName(walk, slot, level, head)} names ${entryName(kvm, sp, index)}, which is not present (${spteText(lo, w[sptep * 2 + 1]!)})`,
        [head, sptep * 2],
      );
    }
    return;
  }
  const gfn = pageGetGfn(kvm, sp, index);
  if (
    roleLevel(w[kvm.header(sp) + SP.role]!) !== level ||
    isLarge(lo) !== level > 1 ||
    gfn < slot.baseGfn ||
    gfn >= slot.baseGfn + slot.npages ||
    slot.rmapWord(gfn, level) !== head
  ) {
    if (walk.admit('Q20')) {
      walk.report(
        'Q20',
        `${headName(walk, slot, level, head)} names ${entryName(kvm, sp, index)}, which is ${spteText(lo, w[sptep * 2 + 1]!)} for gfn ${hex(gfn)}`,
        [head, sptep * 2],
      );
    }
    return;
  }
  if (walk.setBit((sptep - kvm.tablesQ) >> kvm.tableBits, index)) return;
  // Only its own head can name it a second time.
  if (walk.admit('Q19')) {
    walk.report('Q19', `${headName(walk, slot, level, head)} names ${entryName(kvm, sp, index)} twice`, [
      head,
      sptep * 2,
    ]);
  }
  if (walk.admit('Q21')) {
    walk.report('Q21', `${headName(walk, slot, level, head)} holds a duplicate, sptep ${sptep}`, [head]);
  }
}

/** Q21 and Q22 of a head with descriptors, and its entries. */
function checkDescriptors(walk: PageWalk, slot: MemSlot, level: number, head: number): void {
  const { kvm } = walk;
  const count = walk.entriesOf(head);
  if (walk.listFault !== '' && walk.admit('Q21')) {
    walk.report('Q21', `${headName(walk, slot, level, head)}: ${walk.listFault}`, [head]);
  }
  if (count > kvm.config.recycleThreshold + 1 && walk.admit('Q22')) {
    walk.report(
      'Q22',
      `${headName(walk, slot, level, head)} has ${count} entries, at most ${kvm.config.recycleThreshold + 1} are allowed`,
      [head],
    );
  }
  for (let i = 0; i < count; i++) checkEntry(walk, slot, level, head, walk.entries[i]!);
}

function checkHeads(walk: PageWalk, slot: MemSlot, level: number): void {
  const { w } = walk.kvm;
  const end = slot.rmapWord(slot.baseGfn + slot.npages - 1, level);
  for (let head = slot.rmapWord(slot.baseGfn, level); head <= end; head++) {
    const value = w[head]!;
    if (value === 0) continue;
    if ((value & 1) === 0) checkEntry(walk, slot, level, head, value >>> 1);
    else checkDescriptors(walk, slot, level, head);
  }
}

/** Q19: every leaf of the table was met. */
function checkLeaves(walk: PageWalk, sp: number): void {
  const { kvm } = walk;
  const { w, entries } = kvm;
  const header = kvm.header(sp);
  const table = w[header + SP.table]!;
  const first = (kvm.tablesQ + (table << kvm.tableBits)) * 2;
  const leaf = SPTE_MMU_PRESENT | (roleLevel(w[header + SP.role]!) > 1 ? SPTE_PS : 0);
  for (let index = 0; index < entries; index++) {
    const lo = w[first + index * 2]!;
    if ((lo & leaf) !== leaf || walk.hasBit(table, index) || !walk.admit('Q19')) continue;
    walk.report(
      'Q19',
      `${entryName(kvm, sp, index)} maps gfn ${hex(pageGetGfn(kvm, sp, index))}, and the rmap of that gfn does not name it`,
      [first + index * 2, header + SP.gfn],
    );
  }
}

export const rmapCheck: StateCheck = {
  ids: ['Q19', 'Q20', 'Q21', 'Q22', 'Q23'],
  when: 'end',
  run(kvm, broken) {
    const walk = pageWalk(kvm);
    walk.begin(broken);
    walk.clearBits();
    for (let i = 0; i < kvm.slots.length; i++) {
      for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) checkHeads(walk, kvm.slots[i]!, level);
    }
    for (let p = 0; p < walk.count; p++) checkLeaves(walk, walk.pages[p]!);
  },
};
