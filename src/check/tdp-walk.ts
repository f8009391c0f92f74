/**
 * The pages of the TDP MMU, root by root, as the checks see them. Survives any state: indices are tested before they are
 * followed, and no page is entered twice. The memory is made once per machine.
 */
import { isLarge, isShadowPresent, sptePfn } from '../mmu/format.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { roleInvalid, roleLevel } from '../mmu/role.ts';
import { SP } from '../mmu/shadow-page.ts';

export class TdpWalk {
  readonly kvm: Kvm;
  /** Pages reached, each behind the page that points to it. */
  readonly pages: Int32Array;
  /** The entry that led to each of them, 0 for a root. */
  readonly parents: Int32Array;
  /** The root of each of them. */
  readonly roots: Int32Array;
  count = 0;
  /** Roots among them. */
  rootCount = 0;
  /** The list of roots ended at something that is no page, or met a page twice; 0 if it ended properly. */
  stray = 0;
  /** The round it was collected for. */
  round = 0;
  private readonly seen: Int32Array;
  private generation = 0;

  constructor(kvm: Kvm) {
    const size = kvm.layout.dims.tables + 1;
    this.kvm = kvm;
    this.pages = new Int32Array(size);
    this.parents = new Int32Array(size);
    this.roots = new Int32Array(size);
    this.seen = new Int32Array(size);
  }

  /** Collects the pages of all roots on the list. */
  begin(): void {
    const { kvm } = this;
    const { w } = kvm;
    const { tables } = kvm.layout.dims;
    this.generation++;
    this.count = 0;
    this.stray = 0;
    for (let root = kvm.get(KVM.tdpRoots); root !== 0; root = w[kvm.header(root) + SP.linkNext]!) {
      if (root < 0 || root > tables || !this.add(root, 0, root)) {
        this.stray = root;
        break;
      }
    }
    this.rootCount = this.count;
    for (let p = 0; p < this.count; p++) this.addChildren(p);
  }

  private add(sp: number, parent: number, root: number): boolean {
    if (this.seen[sp] === this.generation) return false;
    this.seen[sp] = this.generation;
    this.pages[this.count] = sp;
    this.parents[this.count] = parent;
    this.roots[this.count] = root;
    this.count++;
    return true;
  }

  private addChildren(p: number): void {
    const { kvm } = this;
    const { w } = kvm;
    const header = kvm.header(this.pages[p]!);
    const { tables } = kvm.layout.dims;
    const table = w[header + SP.table]!;
    if (roleLevel(w[header + SP.role]!) <= 1 || table < 1 || table > tables) return;
    const first = kvm.tablesQ + (table << kvm.tableBits);
    for (let sptep = first; sptep < first + kvm.entries; sptep++) {
      const lo = w[sptep * 2]!;
      if (!isShadowPresent(lo) || isLarge(lo)) continue;
      const child = this.childOf(lo, w[sptep * 2 + 1]!);
      if (child !== 0) this.add(child, sptep, this.roots[p]!);
    }
  }

  /** The page that a non-leaf value points to, or 0. */
  childOf(lo: number, hi: number): number {
    const { kvm } = this;
    const table = sptePfn(lo, hi) - kvm.tablePfnBase;
    return table >= 1 && table <= kvm.layout.dims.tables ? kvm.w[kvm.tableOwner + table]! : 0;
  }

  /** True if the page was reached. */
  has(sp: number): boolean {
    return this.seen[sp] === this.generation;
  }

  /** True if the root of page `p` of the list is in use for faults. */
  isValid(p: number): boolean {
    return !roleInvalid(this.kvm.w[this.kvm.header(this.roots[p]!) + SP.role]!);
  }

  /** 8-byte index of entry 0 of page `p`, or 0 if its header names no table. */
  firstEntry(p: number): number {
    const { kvm } = this;
    const table = kvm.w[kvm.header(this.pages[p]!) + SP.table]!;
    return table >= 1 && table <= kvm.layout.dims.tables ? kvm.tablesQ + (table << kvm.tableBits) : 0;
  }
}

const walks = new WeakMap<Kvm, TdpWalk>();

/** Number of the round of state checks that is running, 0 between them: nothing changes inside a round. */
let round = 0;
let lastRound = 0;

/** From here to `endRound` the pages are collected once for all checks. */
export function beginRound(): void {
  round = ++lastRound;
}

export function endRound(): void {
  round = 0;
}

/** The machine's walk, begun; undefined if the machine has no TDP root. */
export function tdpWalk(kvm: Kvm): TdpWalk | undefined {
  if (kvm.get(KVM.tdpRoots) === 0) return undefined;
  let walk = walks.get(kvm);
  if (walk === undefined) {
    walk = new TdpWalk(kvm);
    walks.set(kvm, walk);
  }
  if (round === 0 || walk.round !== round) walk.begin();
  walk.round = round;
  return walk;
}
