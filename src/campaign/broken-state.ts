/** The state that broke, decoded: the words of a violation, who wrote them last, and what hangs on them. */
import { HeadCursor } from '../check/head-cursor.ts';
import { accessText } from '../check/naming.ts';
import { Op } from '../cpu/steps.ts';
import { samePlace } from '../explore/causality.ts';
import { briefWord, describeSpte, describeWord, isSpteWord } from '../mmu/describe.ts';
import { isLastSpte, isShadowPresent, sptePfn } from '../mmu/format.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { tlbEntryOf } from '../mmu/pool-names.ts';
import { describeRole, roleLevel } from '../mmu/role.ts';
import { pageGetGfn, spRole, spteIndex, sptepToSp } from '../mmu/shadow-page.ts';
import { TLB_DIRTY, TLB_R, TLB_W, TLB_X, tlbEntries, type TlbEntry } from '../mmu/tlb.ts';
import type { BrokenWord } from '../report/explanation.ts';
import type { RecordedStep } from '../report/trace.ts';

const MAX_WORDS = 4;
const MAX_NOTES = 3;

const hex = (value: number): string => `0x${value.toString(16)}`;

/** Decodes the words of a violation as they are now. */
export function brokenState(kvm: Kvm, words: readonly number[], rows: readonly RecordedStep[]): BrokenWord[] {
  const units = [...new Set(words.filter((word) => word > 0 && word < kvm.w.length).map(firstWord(kvm)))];
  return units.slice(0, MAX_WORDS).map((word) => {
    const writer = rows.findLast((row) => row.changed && samePlace(row, { op: Op.Load, word }));
    return {
      name: describeWord(kvm, word),
      value: valueOf(kvm, word),
      ...(writer === undefined
        ? {}
        : { writer: { step: writer.step, actor: writer.actor, was: writer.was, value: writer.value } }),
      notes: notesOf(kvm, word).slice(0, MAX_NOTES),
    };
  });
}

/** An SPTE and a TLB entry are several words. */
const firstWord =
  (kvm: Kvm) =>
  (word: number): number =>
    isSpteWord(kvm, word) ? word & ~1 : (tlbEntryOf(kvm, word)?.entry ?? word);

function valueOf(kvm: Kvm, word: number): string {
  const lo = kvm.w[word]!;
  if (isSpteWord(kvm, word)) return describeSpte(kvm, lo, kvm.w[word + 1]!);
  const inTlb = tlbEntryOf(kvm, word);
  if (inTlb !== undefined) {
    const entry = tlbEntries(kvm, inTlb.vcpu).find((one) => one.word === word);
    return entry === undefined ? 'dead' : entryText(entry);
  }
  if (/rmap head|parentPtes/.test(describeWord(kvm, word))) return listText(kvm, word);
  if (describeWord(kvm, word).startsWith('role of ')) return describeRole(lo);
  if (describeWord(kvm, word).startsWith('shadowed translation '))
    return `gfn ${hex(lo >>> 3)} ${accessText(lo & 7)}`;
  if (describeWord(kvm, word).startsWith('gfn of ')) return hex(lo);
  if (/bitmap/.test(describeWord(kvm, word))) return `0b${(lo >>> 0).toString(2)}`;
  return Math.abs(lo) < 1024 ? String(lo) : hex(lo >>> 0);
}

const entryText = ({ root, l2Gfn, pfn, perm, level }: TlbEntry): string => {
  const access = (perm & TLB_R ? 4 : 0) | (perm & TLB_W ? 2 : 0) | (perm & TLB_X ? 1 : 0);
  const dirty = perm & TLB_DIRTY ? ' D' : '';
  return `L2 gfn ${hex(l2Gfn)} (root ${root}, level ${level}) -> ${hex(pfn)} ${accessText(access)}${dirty}`;
};

/** `L2[1]@0x20, L2[3]@0x20`, or `empty`. */
function listText(kvm: Kvm, head: number): string {
  const cursor = new HeadCursor(kvm);
  const entries: string[] = [];
  for (let sptep = cursor.first(head); sptep !== 0; sptep = cursor.next())
    entries.push(briefWord(kvm, sptep * 2));
  if (entries.length === 0) return 'empty';
  return entries.length > 6
    ? `${entries.slice(0, 6).join(', ')} and ${entries.length - 6} more`
    : entries.join(', ');
}

/** What hangs on an SPTE: its reverse map, the dirty bit of its page, TLB entries that translate to it. */
function notesOf(kvm: Kvm, word: number): string[] {
  if (!isSpteWord(kvm, word)) return [];
  const sptep = word >> 1;
  const sp = sptepToSp(kvm, sptep);
  if (sp <= 0 || sp > kvm.layout.dims.tables) return [];
  const level = roleLevel(spRole(kvm, sp));
  const gfn = pageGetGfn(kvm, sp, spteIndex(kvm, sptep));
  const notes: string[] = [];
  const slot = kvm.slotOf(gfn);
  if (slot !== undefined && level <= 3) {
    notes.push(`rmap of gfn ${hex(gfn)} at level ${level}: ${listText(kvm, slot.rmapWord(gfn, level))}`);
    if (level === 1) {
      const bit = gfn - slot.baseGfn;
      const set = (kvm.w[slot.layout.dirtyBitmap + (bit >>> 5)]! >>> (bit & 31)) & 1;
      notes.push(`dirty bit of gfn ${hex(gfn)}: ${set}`);
    }
  }
  return [...notes, ...tlbNotes(kvm, word, level)];
}

function tlbNotes(kvm: Kvm, word: number, level: number): string[] {
  const [lo, hi] = [kvm.w[word]!, kvm.w[word + 1]!];
  if (!isShadowPresent(lo) || !isLastSpte(lo, level)) return [];
  const from = sptePfn(lo, hi);
  const pages = kvm.pages(level);
  const notes: string[] = [];
  for (let vcpu = 0; vcpu < kvm.layout.dims.vcpus; vcpu++) {
    for (const entry of tlbEntries(kvm, vcpu)) {
      if (entry.pfn + kvm.pages(entry.level) <= from || entry.pfn >= from + pages) continue;
      notes.push(`TLB of vCPU ${vcpu}: ${entryText(entry)}`);
    }
  }
  return notes;
}
