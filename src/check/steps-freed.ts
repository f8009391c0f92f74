/** D8: no translation outlives the table it was read from (kernel-facts 6.5, 5.5). */
import type { Cpu } from '../cpu/cpu.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { SP } from '../mmu/shadow-page.ts';
import { pageName } from './naming.ts';
import { type StepBroken, StepCheckBase } from './step-check.ts';
import { tlbCursor } from './tlb-cursor.ts';
import type { StepCheckFamily } from './types.ts';

class FreedTables extends StepCheckBase {
  /** The table that the last walk of each vCPU ended in. */
  private readonly last: Int32Array;
  /** The table behind each TLB entry, by its word. */
  private readonly tables: Int32Array;

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.last = new Int32Array(kvm.config.vcpus);
    this.tables = new Int32Array(kvm.layout.tlbWords * kvm.config.vcpus);
  }

  override begin(): void {
    this.last.fill(0);
    // What the boot cached is not known; it stays until the first flush.
    this.tables.fill(0);
  }

  override walked(_cpu: Cpu, vcpu: number, table: number): void {
    this.last[vcpu] = table;
  }

  override tlbFilled(_cpu: Cpu, vcpu: number, word: number): void {
    this.tables[word - this.kvm.layout.tlb] = this.last[vcpu]!;
  }

  override pageFreed(cpu: Cpu, sp: number): void {
    this.checkTlbs(cpu, sp);
  }

  private checkTlbs(cpu: Cpu, sp: number): void {
    const { kvm } = this;
    const table = kvm.w[kvm.header(sp) + SP.table]!;
    const cursor = tlbCursor(kvm);
    while (cursor.next(0)) {
      if (this.tables[cursor.word - kvm.layout.tlb] !== table) continue;
      this.report(cpu, 'D8', `${cpu.name} frees ${pageName(kvm, sp)}, and ${cursor.label} was read from it`, [
        cursor.word,
      ]);
      return;
    }
  }
}

export const freedTables: StepCheckFamily = {
  ids: ['D8'],
  make: (kvm, broken) => new FreedTables(kvm, broken),
};
