/**
 * Q49 from L1's side (kernel-facts A6, A7, B-28, B-31, B-50): once every vCPU has executed an INVEPT of L1, no translation that
 * L2 may still use contradicts L1's own tables. L1 holds its lock over them at that moment, so nothing is in flight. And none
 * that is made later does, as long as L1 has not written an entry on the way since.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { ACC_EXEC, ACC_USER, ACC_WRITE } from '../mmu/format.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { gpteAccess, gpteQ, isLastGpte, isPresentGpte, walkIndex } from '../mmu/shadow/walk-addr.ts';
import { sptePfn } from '../mmu/format.ts';
import { liveEpoch, TLB, TLB_R, TLB_W, TLB_X } from '../mmu/tlb.ts';
import { MODE_MASK, OUTSIDE_GUEST_MODE, ROOT_L1, VCPU } from '../mmu/vcpu-words.ts';
import { clear } from './clear.ts';
import { hex } from './naming.ts';
import { NothingToCheck, type StepBroken, StepCheckBase } from './step-check.ts';
import { TlbCursor, tlbCursor } from './tlb-cursor.ts';
import type { StepCheckFamily } from './types.ts';

/** What L1's tables say about one page of L2. */
class L1Walk {
  /** First L2 gfn behind the page, and how many the entry covers. */
  pages = 0;
  gfn = 0;
  access = 0;
  /** Word of the entry. */
  word = 0;
  /** An entry on the way was written since the last INVEPT, so the walk says nothing. */
  unsure = false;

  /** False if L1 maps nothing there. */
  walk(kvm: Kvm, root: number, l2Gfn: number, written: ReadonlySet<number>): boolean {
    let tableGfn = kvm.config.tableGfn + kvm.l1RootTable(root);
    this.unsure = false;
    this.access = ACC_USER | ACC_WRITE | ACC_EXEC;
    for (let level = kvm.l1RootLevel(root); ; level--) {
      const q = gpteQ(kvm, tableGfn, walkIndex(kvm, l2Gfn, level));
      const lo = kvm.w[q * 2]!;
      const hi = kvm.w[q * 2 + 1]!;
      this.word = q * 2;
      this.pages = kvm.pages(level);
      if (written.has(q)) this.unsure = true;
      if (!isPresentGpte(kvm.format, lo)) return false;
      this.access &= gpteAccess(kvm.format, lo, hi);
      if (isLastGpte(lo, level)) {
        this.gfn = sptePfn(lo, hi) + (l2Gfn & (this.pages - 1));
        return true;
      }
      tableGfn = sptePfn(lo, hi);
    }
  }
}

/** A translation that must be gone before its vCPU can use it: it flushes a root with each load. */
interface Suspect {
  readonly root: number;
  readonly text: string;
  readonly words: readonly number[];
}

class AfterInvept extends StepCheckBase {
  private readonly l1 = new L1Walk();
  /** By vCPU: what those hold that are outside of the guest, or have let the root go. */
  private readonly suspects: Suspect[][] = [];
  /** By root: entries of L1's tables (8-byte indices) that L1 has written since its last INVEPT of that root. */
  private readonly written = Array.from({ length: ROOT_L1 }, () => new Set<number>());
  private readonly filled: TlbCursor;

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.filled = new TlbCursor(kvm);
  }

  override begin(): void {
    clear(this.suspects);
    for (const entries of this.written) entries.clear();
  }

  override guestPte(_cpu: Cpu, _gfn: number, q: number): void {
    for (const entries of this.written) entries.add(q);
  }

  override l1Invalidated(cpu: Cpu, roots: number): void {
    const { kvm } = this;
    this.drop((suspect) => (roots & (1 << suspect.root)) !== 0);
    this.written.forEach((entries, root) => {
      if ((roots & (1 << root)) !== 0) entries.clear();
    });
    const cursor = tlbCursor(kvm);
    while (cursor.next(0)) {
      if (cursor.root >= ROOT_L1 || (roots & (1 << cursor.root)) === 0) continue;
      const found = this.compare(cursor);
      if (found === undefined) continue;
      const mode = kvm.w[kvm.vcpuWord(cursor.vcpu) + VCPU.mode]! & MODE_MASK;
      if (mode !== OUTSIDE_GUEST_MODE && this.hasRoot(cursor.vcpu, cursor.root)) {
        this.report(cpu, 'Q49', found.text, found.words);
      } else (this.suspects[cursor.vcpu] ??= []).push(found);
    }
  }

  override tlbFilled(cpu: Cpu, vcpu: number, word: number): void {
    if (this.suspects.length > 0) this.drop(({ words }) => words[0] === word);
    const { filled } = this;
    filled.point(vcpu, word);
    if (filled.root >= ROOT_L1) return;
    const found = this.compare(filled);
    if (found !== undefined) this.report(cpu, 'Q49', found.text, found.words);
  }

  override guestEntered(cpu: Cpu, vcpu: number): void {
    const { kvm } = this;
    for (const { root, text, words } of this.suspects[vcpu] ?? []) {
      if (kvm.w[words[0]! + TLB.epoch] !== liveEpoch(kvm, vcpu)) this.drop((other) => other.words === words);
      else if (this.hasRoot(vcpu, root)) this.report(cpu, 'Q49', text, words);
    }
  }

  private hasRoot(vcpu: number, root: number): boolean {
    return this.kvm.w[this.kvm.vcpuWord(vcpu) + VCPU.roots + root] !== 0;
  }

  private drop(which: (suspect: Suspect) => boolean): void {
    this.suspects.forEach((held, vcpu) => {
      this.suspects[vcpu] = held.filter((suspect) => !which(suspect));
    });
  }

  /** What is wrong with the entry, given L1's tables as they are. */
  private compare(entry: TlbCursor): Suspect | undefined {
    const { kvm, l1 } = this;
    const { root } = entry;
    const end = kvm.pages(entry.level);
    for (let at = 0; at < end;) {
      const mapped = l1.walk(kvm, entry.root, entry.l2Gfn + at, this.written[root]!);
      if (l1.unsure) return undefined;
      const words = [entry.word, l1.word];
      const where = `${entry.label}, page ${at}, may be used after INVEPT`;
      if (!mapped) return { root, text: `${where}, and L1 maps nothing there`, words };
      const slot = kvm.slotOf(l1.gfn);
      // Where the host moves pages, what the frame must be is Q24's affair.
      if (slot !== undefined && slot.layout.hostMap === 0 && slot.pfn(l1.gfn) !== entry.pfn + at) {
        return {
          root,
          text: `${where}, names frame ${hex(entry.pfn + at)}, and L1 maps gfn ${hex(l1.gfn)}`,
          words,
        };
      }
      if ((entry.perm & ~permOf(l1.access)) !== 0)
        return { root, text: `${where}, and L1 permits less`, words };
      at += l1.pages - ((entry.l2Gfn + at) & (l1.pages - 1));
    }
    return undefined;
  }
}

const ALL_TLB = TLB_R | TLB_W | TLB_X;
/** Everything but what L1 forbids, so that other bits of an entry do not count. */
const permOf = (access: number): number =>
  ~ALL_TLB |
  ((access & ACC_USER) !== 0 ? TLB_R : 0) |
  ((access & ACC_WRITE) !== 0 ? TLB_W : 0) |
  ((access & ACC_EXEC) !== 0 ? TLB_X : 0);

export const afterInvept: StepCheckFamily = {
  ids: ['Q49'],
  make: (kvm, broken) =>
    kvm.config.l1Vcpus === 0 ? new NothingToCheck(kvm, broken) : new AfterInvept(kvm, broken),
};
