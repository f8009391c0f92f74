/**
 * The descriptors of 6.4 (141705b78381, kernel-facts 1.3): a new descriptor goes in front, so that all behind the first are
 * full and an add is O(1); a removal fills the hole with the last entry of the first descriptor.
 */
import { PTE_LIST_EXT } from '../../arena/layout.ts';
import type { Kvm } from '../../mmu/kvm.ts';
import {
  DESC_COUNT,
  DESC_FIRST,
  DESC_MORE,
  descCount,
  descCounts,
  descTail,
  descWord,
  newDesc,
} from '../../mmu/pte-desc.ts';
import { defineVariant } from '../define.ts';

function descAdd64(kvm: Kvm, cache: number, sptep: number, head: number): number {
  const { arena, w } = kvm;
  const first = w[head]! >>> 1;
  let at = descWord(kvm, first);
  const before = descCount(w[at + DESC_COUNT]!) + descTail(w[at + DESC_COUNT]!);
  if (descCount(w[at + DESC_COUNT]!) === PTE_LIST_EXT) {
    const desc = newDesc(kvm, cache, first, descCounts(0, before));
    arena.put(head, (desc << 1) | 1);
    at = descWord(kvm, desc);
  }
  const count = descCount(w[at + DESC_COUNT]!);
  arena.put(at + DESC_FIRST + count, sptep);
  arena.put(at + DESC_COUNT, w[at + DESC_COUNT]! + 1);
  return before;
}

function descRemove64(kvm: Kvm, head: number, desc: number, _prev: number, index: number): void {
  const { arena, w } = kvm;
  const first = w[head]! >>> 1;
  const at = descWord(kvm, first);
  const last = descCount(w[at + DESC_COUNT]!) - 1;
  arena.put(descWord(kvm, desc) + DESC_FIRST + index, w[at + DESC_FIRST + last]!);
  arena.put(at + DESC_FIRST + last, 0);
  arena.put(at + DESC_COUNT, w[at + DESC_COUNT]! - 1);
  if (last > 0) return;
  const more = w[at + DESC_MORE]!;
  arena.put(head, more === 0 ? 0 : (more << 1) | 1);
  kvm.descPool.free(first);
}

export default defineVariant({
  name: 'desc-6.4',
  summary: 'Linux 6.4: reverse-map descriptors are added at the head, and all behind the first are full',
  kind: 'profile',
  facts: ['1.3', 'Q21', '141705b78381'],
  caughtBy: [],
  apply: () => ({ descLayout: '6.4', descAdd: descAdd64, descRemove: descRemove64 }),
});
