/**
 * What the families of state checks share: the active list walked once, marks for pages and descriptors, and a bit for
 * every entry. The memory is made once per machine and reused; nothing is allocated per page or entry.
 *
 * A walk survives any state: every index is tested before it is followed, and every chain ends at a mark.
 */
import { DESC_WORDS, PTE_LIST_EXT } from '../arena/layout.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { descCount, descTail } from '../mmu/pte-desc.ts';
import { SP } from '../mmu/shadow-page.ts';
import { roleLevel } from '../mmu/role.ts';
import type { ReportBroken } from './types.ts';

/** Reports of one id that a run makes at most: a broken machine of 4 million gfns need not name each of them. */
const REPORTS_PER_ID = 16;

export class PageWalk {
  readonly kvm: Kvm;
  /** Pages of the active list whose table, level and shadowed translation exist: safe to look into. */
  readonly pages: Int32Array;
  count = 0;
  /** Length of the active list, the pages that are not safe included. */
  listed = 0;
  /** The list ended at a header that does not exist or was seen before; 0 if it ended properly. */
  strayHeader = 0;
  /** Entries of the list that `entriesOf` read last. */
  entries: Int32Array = new Int32Array(1024);
  /** What was wrong with that list; empty if nothing. */
  listFault = '';
  /** Descriptors that `entriesOf` has met since `begin`. */
  descs = 0;
  private readonly liveMarks: Int32Array;
  private readonly seenMarks: Int32Array;
  private readonly descMarks: Int32Array;
  /** A bit per entry of each table, in whole words per table. */
  private readonly bits: Int32Array;
  private readonly bitWords: number;
  private generation = 0;
  private broken: ReportBroken = () => undefined;
  private readonly reports = new Map<string, number>();

  constructor(kvm: Kvm) {
    this.kvm = kvm;
    const { tables, descs } = kvm.layout.dims;
    this.pages = new Int32Array(tables + 1);
    this.liveMarks = new Int32Array(tables + 1);
    this.seenMarks = new Int32Array(tables + 1);
    this.descMarks = new Int32Array(descs + 1);
    this.bitWords = Math.max(1, kvm.entries >> 5);
    this.bits = new Int32Array(this.bitWords * (tables + 1));
  }

  /** Starts the run of one family: walks the active list and forgets all marks. */
  begin(broken: ReportBroken): void {
    const { kvm, liveMarks, pages } = this;
    const { w } = kvm;
    const { tables, shadowInfos } = kvm.layout.dims;
    this.broken = broken;
    if (this.reports.size > 0) this.reports.clear();
    const generation = ++this.generation;
    this.descs = 0;
    this.listed = 0;
    this.strayHeader = 0;
    let count = 0;
    for (let sp = kvm.get(KVM.activeHead); sp !== 0;) {
      if (sp < 0 || sp > tables || liveMarks[sp] === generation) {
        this.strayHeader = sp;
        break;
      }
      this.listed++;
      liveMarks[sp] = generation;
      const header = kvm.header(sp);
      const level = roleLevel(w[header + SP.role]!);
      const table = w[header + SP.table]!;
      const info = w[header + SP.shadowInfo]!;
      if (level >= 1 && level <= 5 && table >= 1 && table <= tables && info >= 0 && info <= shadowInfos) {
        pages[count++] = sp;
      }
      sp = w[header + SP.linkNext]!;
    }
    this.count = count;
    // A page that is listed but not safe must not count as live: the marks are renewed for the safe ones alone.
    if (count !== this.listed) {
      this.generation++;
      for (let p = 0; p < count; p++) liveMarks[pages[p]!] = this.generation;
    }
  }

  /** True if `sp` is on the active list and safe to look into. */
  isLive(sp: number): boolean {
    return this.liveMarks[sp] === this.generation;
  }

  /** Marks a header; false if it was marked before in this run. */
  markSeen(sp: number): boolean {
    if (this.seenMarks[sp] === this.generation) return false;
    this.seenMarks[sp] = this.generation;
    return true;
  }

  wasSeen(sp: number): boolean {
    return this.seenMarks[sp] === this.generation;
  }

  /** Clears the bits of the tables of all live pages. */
  clearBits(): void {
    const { kvm, pages, bits, bitWords } = this;
    for (let p = 0; p < this.count; p++) {
      const at = kvm.w[kvm.header(pages[p]!) + SP.table]! * bitWords;
      for (let word = at; word < at + bitWords; word++) bits[word] = 0;
    }
  }

  /** Sets the bit of an entry; false if it was set. */
  setBit(table: number, index: number): boolean {
    const word = table * this.bitWords + (index >> 5);
    const bit = 1 << (index & 31);
    const old = this.bits[word]!;
    if ((old & bit) !== 0) return false;
    this.bits[word] = old | bit;
    return true;
  }

  hasBit(table: number, index: number): boolean {
    return (this.bits[table * this.bitWords + (index >> 5)]! & (1 << (index & 31))) !== 0;
  }

  /** The live page that holds `sptep`, or 0. */
  holderOf(sptep: number): number {
    const { kvm } = this;
    const table = (sptep - kvm.tablesQ) >> kvm.tableBits;
    if (table < 1 || table > kvm.layout.dims.tables) return 0;
    const sp = kvm.w[kvm.tableOwner + table]!;
    return this.isLive(sp) && kvm.w[kvm.header(sp) + SP.table] === table ? sp : 0;
  }

  /**
   * Reads the list of a tagged head (bit 0 set) into `entries` and returns how many there are. What breaks the layout
   * of the version ends the reading and is left in `listFault`.
   */
  entriesOf(head: number): number {
    const { kvm, descMarks, generation } = this;
    const { w } = kvm;
    const { descs } = kvm.layout.dims;
    const is64 = kvm.engine.descLayout === '6.4';
    let count = 0;
    // Entries that have to follow, by the counts of the first descriptor; negative before it.
    let left = -1;
    this.listFault = '';
    let desc = w[head]! >>> 1;
    if (desc === 0) this.listFault = 'the head is tagged and names no descriptor';
    while (desc !== 0) {
      if (desc < 0 || desc > descs) {
        this.listFault = `descriptor ${desc} does not exist`;
        break;
      }
      if (descMarks[desc] === generation) {
        this.listFault = `descriptor ${desc} is reached twice`;
        break;
      }
      descMarks[desc] = generation;
      this.descs++;
      const at = kvm.layout.descs + desc * DESC_WORDS;
      const used = descCount(w[at + 1]!);
      const behind = descTail(w[at + 1]!);
      if (used < 1 || used > PTE_LIST_EXT) {
        this.listFault = `descriptor ${desc} counts ${used} entries`;
        break;
      }
      if (is64 && left >= 0 && used !== PTE_LIST_EXT)
        this.listFault = `descriptor ${desc} is not the first and holds ${used} entries`;
      left = left < 0 ? behind : left - used;
      if (behind !== (is64 ? left : 0))
        this.listFault = `descriptor ${desc} counts ${behind} entries behind it`;
      if (count + used > this.entries.length) this.grow();
      for (let i = 0; i < used; i++) {
        const sptep = w[at + 2 + i]!;
        if (sptep === 0) this.listFault = `entry ${i} of ${used} of descriptor ${desc} is null`;
        else this.entries[count++] = sptep;
      }
      desc = w[at]!;
    }
    if (is64 && desc === 0 && left > 0) this.listFault = `the list ends with ${left} entries missing`;
    return count;
  }

  private grow(): void {
    const larger = new Int32Array(this.entries.length * 2);
    larger.set(this.entries);
    this.entries = larger;
  }

  /** True while the id may still be reported in this run; asked before the text is made. */
  admit(id: string): boolean {
    const made = this.reports.get(id) ?? 0;
    this.reports.set(id, made + 1);
    return made < REPORTS_PER_ID;
  }

  report(id: string, text: string, words: readonly number[]): void {
    this.broken(id, text, words);
  }
}

const walks = new WeakMap<Kvm, PageWalk>();

/** The machine's walk, made at its first check. */
export function pageWalk(kvm: Kvm): PageWalk {
  let walk = walks.get(kvm);
  if (walk === undefined) {
    walk = new PageWalk(kvm);
    walks.set(kvm, walk);
  }
  return walk;
}
