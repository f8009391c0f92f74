/** NPT12 as the recording's user program writes it into guest memory: page by page in the order of first need. */
import { mapInGuestTables } from '../mmu/boot.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { l1Mapping, NotPerformable, PAGE } from './machine.ts';
import type { Mapping, Npt12Root, Setup } from './recording.ts';

export class GuestTables {
  private readonly kvm: Kvm;
  private readonly roots: readonly Npt12Root[];
  /** Next free page of the area, counted from the first table. */
  private next = 0;
  /** By root: how many of its mappings exist. */
  private readonly written = new Map<string, number>();

  constructor(kvm: Kvm, setup: Setup) {
    this.kvm = kvm;
    this.roots = setup.npt12_roots;
  }

  /** `npt12_root`: the top table takes the next page; L2's code page is mapped at once. */
  create(name: string, op: number): void {
    const root = this.root(name, op);
    const page = root.table_gpa / PAGE - this.kvm.config.tableGfn;
    if (page !== this.next) {
      throw new NotPerformable(
        `operation ${op}: the table of root "${name}" is at 0x${root.table_gpa.toString(16)}, ` +
          `but the next free page is 0x${((this.kvm.config.tableGfn + this.next) * PAGE).toString(16)}`,
      );
    }
    this.next++;
    this.written.set(name, 0);
    this.map(name, op);
  }

  /** `npt12_map`: the root's next mapping. */
  map(name: string, op: number): void {
    const root = this.root(name, op);
    const done = this.written.get(name);
    const mapping: Mapping | undefined = root.mappings[done ?? 0];
    if (done === undefined || mapping === undefined) {
      throw new NotPerformable(
        `operation ${op}: setup.npt12_roots has ${root.mappings.length} mappings for "${name}", and no more is left`,
      );
    }
    this.written.set(name, done + 1);
    const table = root.table_gpa / PAGE - this.kvm.config.tableGfn;
    mapInGuestTables(this.kvm, table, l1Mapping(mapping), () => this.next++);
  }

  private root(name: string, op: number): Npt12Root {
    const root = this.roots.find((each) => each.name === name);
    if (root === undefined) throw new NotPerformable(`operation ${op}: there is no NPT12 root "${name}"`);
    return root;
  }
}
