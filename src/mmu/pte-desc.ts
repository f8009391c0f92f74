/**
 * The descriptors of a list of spteps, and the 6.1 algorithm on them (kernel-facts 1.3): an add goes to the first
 * descriptor with room, a removal fills the hole with the last entry of the same descriptor.
 *
 * A descriptor is `more`, a word with the number of its entries, and fourteen spteps. From 6.4 on the second word is
 * shared by spte_count (its low byte) and tail_count, the entries of all descriptors behind; 6.1 leaves that at 0.
 */
import { DESC_WORDS, PTE_LIST_EXT } from '../arena/layout.ts';
import type { Kvm } from './kvm.ts';
import { cachePop } from './memory-cache.ts';

/** Offsets in a descriptor. */
export const DESC_MORE = 0;
export const DESC_COUNT = 1;
export const DESC_FIRST = 2;

const COUNT_MASK = 0xff;
const TAIL_SHIFT = 8;

/** spte_count and tail_count of the second word. */
export const descCount = (word: number): number => word & COUNT_MASK;
export const descTail = (word: number): number => word >>> TAIL_SHIFT;
export const descCounts = (count: number, tail: number): number => count | (tail << TAIL_SHIFT);

/** Word of a descriptor. */
export const descWord = (kvm: Kvm, desc: number): number => kvm.layout.descs + desc * DESC_WORDS;

/** Takes a descriptor from the cache for a list; `more` and the counts as given, no entries yet. */
export function newDesc(kvm: Kvm, cache: number, more: number, counts: number): number {
  const desc = cachePop(kvm, cache, 'pte_list_desc');
  const at = descWord(kvm, desc);
  kvm.arena.put(at + DESC_MORE, more);
  kvm.arena.put(at + DESC_COUNT, counts);
  return desc;
}

/** Default of `Engine.descAdd`. */
export function descAdd61(kvm: Kvm, cache: number, sptep: number, head: number): number {
  const { arena, w } = kvm;
  let at = descWord(kvm, w[head]! >>> 1);
  let before = 0;
  while (w[at + DESC_COUNT] === PTE_LIST_EXT) {
    before += PTE_LIST_EXT;
    const more = w[at + DESC_MORE]!;
    if (more === 0) {
      const desc = newDesc(kvm, cache, 0, 0);
      arena.put(at + DESC_MORE, desc);
      at = descWord(kvm, desc);
      break;
    }
    at = descWord(kvm, more);
  }
  const count = w[at + DESC_COUNT]!;
  arena.put(at + DESC_FIRST + count, sptep);
  arena.put(at + DESC_COUNT, count + 1);
  return before + count;
}

/** Default of `Engine.descRemove`. */
export function descRemove61(kvm: Kvm, head: number, desc: number, prev: number, index: number): void {
  const { arena, w } = kvm;
  const at = descWord(kvm, desc);
  const last = w[at + DESC_COUNT]! - 1;
  arena.put(at + DESC_FIRST + index, w[at + DESC_FIRST + last]!);
  arena.put(at + DESC_FIRST + last, 0);
  arena.put(at + DESC_COUNT, last);
  if (last > 0) return;
  const more = w[at + DESC_MORE]!;
  if (prev !== 0) arena.put(descWord(kvm, prev) + DESC_MORE, more);
  else arena.put(head, more === 0 ? 0 : (more << 1) | 1);
  kvm.descPool.free(desc);
}
