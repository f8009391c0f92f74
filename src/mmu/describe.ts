/** Names for the words of the arena, for traces, deadlock reports and explanations. */
import type { Kvm } from './kvm.ts';
import {
  isExecutable,
  isHostWritable,
  isLarge,
  isMmuWritable,
  isReadable,
  isShadowPresent,
  isWritable,
  sptePfn,
} from './format.ts';
import { nameOfPoolWord } from './pool-names.ts';
import { describeRole, roleLevel } from './role.ts';
import { spGfn, spRole } from './shadow-page.ts';
import { nameOfSlotWord } from './slot-words.ts';
import { nameOfWord } from './word-names.ts';

/** `0x23 rw- AD HM PS` for a leaf (frame, permissions, A/D, host- and MMU-writable, size), `-> table 5` for a table. */
export function describeSpte(kvm: Kvm, lo: number, hi: number): string {
  const f = kvm.format;
  if (lo === 0 && hi === 0) return 'none';
  if (!isShadowPresent(lo)) return `not present 0x${(hi >>> 0).toString(16)}:${(lo >>> 0).toString(16)}`;
  const pfn = sptePfn(lo, hi);
  if (pfn > kvm.tablePfnBase) return `-> table ${pfn - kvm.tablePfnBase}`;
  const perm = `${isReadable(f, lo) ? 'r' : '-'}${isWritable(lo) ? 'w' : '-'}${isExecutable(f, lo, hi) ? 'x' : '-'}`;
  const ad = `${(lo & f.accessedLo) !== 0 ? 'A' : ''}${(lo & f.dirtyLo) !== 0 ? 'D' : ''}`;
  const soft = `${isHostWritable(f, lo, hi) ? 'H' : ''}${isMmuWritable(f, lo, hi) ? 'M' : ''}`;
  return [`0x${pfn.toString(16)}`, perm, ad, soft, isLarge(lo) ? 'PS' : '']
    .filter((part) => part !== '')
    .join(' ');
}

/** True if the word is part of an SPTE of the shadow tables. */
export const isSpteWord = (kvm: Kvm, word: number): boolean => word >= kvm.layout.tables;

/** A short name for the columns of a trace: SPTEs as `L2[1]@0x40` (level, index, gfn of the table). */
export function briefWord(kvm: Kvm, word: number): string {
  if (word === kvm.mmuLock.cnts) return 'mmu_lock';
  if (word === kvm.mmuLock.waitLock) return 'mmu queue';
  if (!isSpteWord(kvm, word)) return describeWord(kvm, word);
  const sptep = word >> 1;
  const sp = kvm.w[kvm.tableOwner + ((sptep - kvm.tablesQ) >> kvm.tableBits)]!;
  const index = (sptep - kvm.tablesQ) & (kvm.entries - 1);
  if (sp === 0) return `free table [${index}]`;
  return `L${roleLevel(spRole(kvm, sp))}[${index}]@0x${spGfn(kvm, sp).toString(16)}`;
}

/** What a word is: `mmu_lock.cnts`, `vCPU 1 mode`, `SPTE [2] of L2 direct rwx at gfn 0x40`, ... */
export function describeWord(kvm: Kvm, word: number): string {
  const { layout } = kvm;
  const hex = (value: number): string => `0x${value.toString(16)}`;
  if (word >= layout.tables) {
    const sptep = word >> 1;
    const table = (sptep - kvm.tablesQ) >> kvm.tableBits;
    const index = (sptep - kvm.tablesQ) & (kvm.entries - 1);
    const sp = kvm.w[kvm.tableOwner + table]!;
    if (sp === 0) return `SPTE [${index}] of free table ${table}`;
    return `SPTE [${index}] of ${describeRole(spRole(kvm, sp))} gfn ${hex(spGfn(kvm, sp))}`;
  }
  if (word >= layout.guestTables) {
    const at = (word - layout.guestTables) >> 1;
    return `L1's table ${at >> kvm.tableBits} [${at & (kvm.entries - 1)}]`;
  }
  if (word >= layout.memory && word < layout.memory + layout.dims.pfns)
    return `page ${hex(word - layout.memory)}`;
  const name = nameOfWord(kvm, word) ?? nameOfPoolWord(kvm, word);
  if (name !== undefined) return name;
  for (const slot of kvm.slots) {
    const inSlot = nameOfSlotWord(slot, word);
    if (inSlot !== undefined) return inSlot;
  }
  return `word ${word}`;
}
