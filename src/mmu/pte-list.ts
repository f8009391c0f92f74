/**
 * Lists of spteps: rmap heads and parent lists (kernel-facts 1.3).
 *
 * A head is one word: 0 empty; bit 0 clear, the single sptep shifted left by one; bit 0 set, the first descriptor
 * shifted left by one. Where in the descriptors an entry goes, and what fills the hole of one that leaves, differs by
 * version: steps of the engine (src/mmu/pte-desc.ts has those of 6.1).
 */
import { PTE_LIST_EXT } from '../arena/layout.ts';
import { KernelBug } from './bug.ts';
import type { Kvm } from './kvm.ts';
import { cachePop } from './memory-cache.ts';
import {
  DESC_COUNT as COUNT,
  DESC_FIRST as FIRST,
  DESC_MORE as MORE,
  descCount,
  descWord,
} from './pte-desc.ts';

/**
 * pte_list_add(). Returns how many entries the list had before.
 * @param cache word of the descriptor cache to take from
 */
export function pteListAdd(kvm: Kvm, cache: number, sptep: number, head: number): number {
  const { arena, w } = kvm;
  const value = w[head]!;
  if (value === 0) {
    arena.put(head, sptep << 1);
    return 0;
  }
  if ((value & 1) === 0) {
    const desc = cachePop(kvm, cache, 'pte_list_desc');
    const at = descWord(kvm, desc);
    arena.touchRange(at, 4);
    w[at + MORE] = 0;
    w[at + COUNT] = 2;
    w[at + FIRST] = value >>> 1;
    w[at + FIRST + 1] = sptep;
    arena.put(head, (desc << 1) | 1);
    return 1;
  }
  return kvm.engine.descAdd(kvm, cache, sptep, head);
}

/**
 * pte_list_remove().
 * @throws KernelBug if the sptep is not in the list: the reverse map is corrupt
 */
export function pteListRemove(kvm: Kvm, sptep: number, head: number): void {
  const { arena, w } = kvm;
  const value = w[head]!;
  if (value === 0) throw notInList(sptep, head, 'the list is empty');
  if ((value & 1) === 0) {
    if (value >>> 1 !== sptep) throw notInList(sptep, head, `the only entry is ${value >>> 1}`);
    arena.put(head, 0);
    return;
  }
  let prev = 0;
  for (let desc = value >>> 1; desc !== 0;) {
    const at = descWord(kvm, desc);
    const count = descCount(w[at + COUNT]!);
    for (let i = 0; i < count; i++) {
      if (w[at + FIRST + i] !== sptep) continue;
      kvm.engine.descRemove(kvm, head, desc, prev, i);
      return;
    }
    prev = desc;
    desc = w[at + MORE]!;
  }
  throw notInList(sptep, head, 'not among the entries');
}

/** A removal from a list that does not hold the entry: what the kernel answers with BUG(). */
function notInList(sptep: number, head: number, why: string): KernelBug {
  return new KernelBug('Q20', `pte_list_remove: sptep ${sptep} from head word ${head}: ${why}`, [
    sptep * 2,
    head,
  ]);
}

/** The entries in list order. */
export function pteListEntries(kvm: Kvm, head: number): number[] {
  const { w } = kvm;
  const value = w[head]!;
  if (value === 0) return [];
  if ((value & 1) === 0) return [value >>> 1];
  const entries: number[] = [];
  for (let desc = value >>> 1; desc !== 0;) {
    const at = descWord(kvm, desc);
    const count = descCount(w[at + COUNT]!);
    for (let i = 0; i < count; i++) entries.push(w[at + FIRST + i]!);
    desc = w[at + MORE]!;
  }
  return entries;
}

/** The sizes of the descriptors, first to last; empty for an untagged head. */
export function pteListDescs(kvm: Kvm, head: number): number[] {
  const { w } = kvm;
  const value = w[head]!;
  if ((value & 1) === 0) return [];
  const sizes: number[] = [];
  for (let desc = value >>> 1; desc !== 0; desc = w[descWord(kvm, desc) + MORE]!) {
    sizes.push(descCount(w[descWord(kvm, desc) + COUNT]!));
    if (sizes.length > 1_000_000) throw new Error(`descriptor chain of head word ${head} does not end`);
  }
  return sizes;
}

/** Position in a list. Not a JavaScript iterator: it mirrors struct rmap_iterator and is reused without allocation. */
export class RmapIterator {
  desc = 0;
  pos = 0;
  /** The owner's count of lock releases when the iterator was set up; see D4. */
  releases = 0;

  /** rmap_get_first(): the first sptep, or 0. */
  first(kvm: Kvm, head: number, releases: number): number {
    this.releases = releases;
    const value = kvm.w[head]!;
    this.desc = 0;
    if (value === 0) return 0;
    if ((value & 1) === 0) return value >>> 1;
    this.desc = value >>> 1;
    this.pos = 0;
    return kvm.w[descWord(kvm, this.desc) + FIRST]!;
  }

  /** rmap_get_next(): the next sptep, or 0. */
  next(kvm: Kvm): number {
    if (this.desc === 0) return 0;
    const at = descWord(kvm, this.desc);
    if (this.pos < PTE_LIST_EXT - 1) {
      this.pos++;
      const sptep = this.pos < descCount(kvm.w[at + COUNT]!) ? kvm.w[at + FIRST + this.pos]! : 0;
      if (sptep !== 0) return sptep;
    }
    this.desc = kvm.w[at + MORE]!;
    if (this.desc === 0) return 0;
    this.pos = 0;
    return kvm.w[descWord(kvm, this.desc) + FIRST]!;
  }
}
