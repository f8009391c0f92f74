/** Names of page tables in a recording: S0, S1, ... in the order in which they are first spoken of. */
import type { Kvm } from '../mmu/kvm.ts';
import { spTable, spteIndex } from '../mmu/shadow-page.ts';

export class PageNames {
  private readonly kvm: Kvm;
  /** By table: a page that is freed and used again keeps its name, as in the recordings. */
  private readonly names = new Map<number, string>();

  constructor(kvm: Kvm) {
    this.kvm = kvm;
  }

  ofTable(table: number): string {
    const known = this.names.get(table);
    if (known !== undefined) return known;
    const name = `S${this.names.size}`;
    this.names.set(table, name);
    return name;
  }

  ofPage(sp: number): string {
    return this.ofTable(spTable(this.kvm, sp));
  }

  /** Page and index of an entry. */
  at(sptep: number): [string, number] {
    const { tablesQ, tableBits } = this.kvm;
    return [this.ofTable((sptep - tablesQ) >> tableBits), spteIndex(this.kvm, sptep)];
  }
}
