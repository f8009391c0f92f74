/** Walking one rmap head or parent list in any state: indices are tested before they are followed. Reusable, no allocation. */
import { DESC_WORDS, PTE_LIST_EXT } from '../arena/layout.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { descCount } from '../mmu/pte-desc.ts';

export class HeadCursor {
  private readonly kvm: Kvm;
  private readonly firstSptep: number;
  private readonly endSptep: number;
  private desc = 0;
  private at = 0;
  private left = 0;
  /** Descriptors still allowed: a chain cannot be longer than the pool. */
  private budget = 0;

  constructor(kvm: Kvm) {
    this.kvm = kvm;
    this.firstSptep = kvm.tablesQ + kvm.entries;
    this.endSptep = kvm.tablesQ + ((kvm.layout.dims.tables + 1) << kvm.tableBits);
  }

  /** The first sptep that lies in a table, or 0. */
  first(head: number): number {
    const value = this.kvm.w[head]!;
    this.desc = 0;
    this.left = 0;
    if (value === 0) return 0;
    if ((value & 1) === 0) return this.inTable(value >>> 1) ? value >>> 1 : 0;
    this.desc = value >>> 1;
    this.budget = this.kvm.layout.dims.descs;
    return this.next();
  }

  /** The next one, or 0. */
  next(): number {
    const { kvm } = this;
    for (;;) {
      while (this.left > 0) {
        this.left--;
        const sptep = kvm.w[this.at++]!;
        if (this.inTable(sptep)) return sptep;
      }
      if (this.desc <= 0 || this.desc > kvm.layout.dims.descs || this.budget-- <= 0) return 0;
      const word = kvm.layout.descs + this.desc * DESC_WORDS;
      this.desc = kvm.w[word]!;
      this.left = Math.min(descCount(kvm.w[word + 1]!), PTE_LIST_EXT);
      this.at = word + 2;
    }
  }

  private inTable(sptep: number): boolean {
    return sptep >= this.firstSptep && sptep < this.endSptep;
  }
}

const cursors = new WeakMap<Kvm, HeadCursor>();

/** The machine's cursor for a walk that calls no other check inside. */
export function headCursor(kvm: Kvm): HeadCursor {
  let cursor = cursors.get(kvm);
  if (cursor === undefined) {
    cursor = new HeadCursor(kvm);
    cursors.set(kvm, cursor);
  }
  return cursor;
}
