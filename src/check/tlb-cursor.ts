/** Walking the TLB entries that a vCPU may still use: live ones of vCPUs without a pending flush request. No allocation. */
import { TLB_ENTRY_WORDS } from '../arena/layout.ts';
import { tlbRangePending } from '../mmu/flush-range.ts';
import type { Kvm } from '../mmu/kvm.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import { liveEpoch, TLB } from '../mmu/tlb.ts';
import { REQ_TLB_FLUSH, ROOT_L1, VCPU } from '../mmu/vcpu-words.ts';
import { isLeaving } from './leaving.ts';

export class TlbCursor {
  vcpu = 0;
  level = 0;
  /** Word of the entry. */
  word = 0;
  root = 0;
  l2Gfn = 0;
  pfn = 0;
  perm = 0;
  private readonly kvm: Kvm;
  /** Words of one level's part of a TLB. */
  private readonly levelWords: number;
  /** The backend takes ranges: a flush may be pending for some entries and not for others. */
  private readonly ranged: boolean;
  private epoch = 0;
  /** The present vCPU's entries: the next one to look at, the first, and where they end. Its levels follow each other. */
  private at = 0;
  private first = 0;
  private end = 0;

  constructor(kvm: Kvm) {
    this.kvm = kvm;
    this.levelWords = kvm.tlbLevelWords;
    this.ranged = kvm.config.flushBackend !== 'full';
  }

  begin(): void {
    this.vcpu = -1;
    this.at = 0;
    this.end = 0;
  }

  /** Moves to the next usable entry with all of `need`; false at the end. */
  next(need: number): boolean {
    const { w } = this.kvm;
    do {
      const { end, epoch } = this;
      for (let { at } = this; at < end; at += TLB_ENTRY_WORDS) {
        if (w[at + TLB.epoch] !== epoch || (w[at + TLB.perm]! & need) !== need) continue;
        if (!this.counts(w[at + TLB.root]!)) continue;
        if (this.ranged && tlbRangePending(this.kvm, this.vcpu, at, this.levelOf(at))) continue;
        this.at = at + TLB_ENTRY_WORDS;
        this.take(at);
        return true;
      }
    } while (this.nextVcpu());
    return false;
  }

  /** Points at the entry at `word`, whatever state it is in. */
  point(vcpu: number, word: number): void {
    this.vcpu = vcpu;
    this.first = this.kvm.tlbBase(vcpu);
    this.take(word);
  }

  private levelOf(at: number): number {
    return 1 + Math.floor((at - this.first) / this.levelWords);
  }

  private take(at: number): void {
    const { w } = this.kvm;
    this.word = at;
    this.level = this.levelOf(at);
    this.root = w[at + TLB.root]!;
    this.l2Gfn = w[at + TLB.tag]! << ((this.level - 1) * this.kvm.tableBits);
    this.pfn = w[at + TLB.pfn]!;
    this.perm = w[at + TLB.perm]!;
  }

  /** A root that was let go, or zapped, is flushed with before this vCPU can use what it cached of it. */
  private counts(root: number): boolean {
    const { kvm } = this;
    if (root < 0 || root > ROOT_L1) return true;
    const rootSp = kvm.w[kvm.vcpuWord(this.vcpu) + VCPU.roots + root]!;
    return rootSp > 0 && rootSp <= kvm.layout.dims.tables && !isLeaving(kvm, this.vcpu, rootSp);
  }

  /** A pending request is served before the next entry into the guest, so what is cached until then does not count. */
  private nextVcpu(): boolean {
    const { kvm } = this;
    while (++this.vcpu < kvm.config.vcpus) {
      if ((kvm.w[kvm.vcpuWord(this.vcpu) + VCPU.requests]! & REQ_TLB_FLUSH) !== 0) continue;
      this.epoch = liveEpoch(kvm, this.vcpu);
      this.first = kvm.tlbBase(this.vcpu);
      this.at = this.first;
      this.end = this.first + 3 * this.levelWords;
      return true;
    }
    return false;
  }

  /** `vCPU 1's 2M entry for L2 gfn 0x40`. */
  get label(): string {
    return `vCPU ${this.vcpu}'s level-${this.level} TLB entry for L2 gfn 0x${this.l2Gfn.toString(16)} (${permText(this.perm)})`;
  }
}

/** `rwx`, `r--`. */
export const permText = (perm: number): string =>
  `${perm & 1 ? 'r' : '-'}${perm & 2 ? 'w' : '-'}${perm & 4 ? 'x' : '-'}`;

/** The gfn of `slot` whose frame is the entry's first one, or -1. */
export function gfnOfEntry(kvm: Kvm, slot: MemSlot, entry: TlbCursor): number {
  const end = slot.baseGfn + slot.npages;
  if (entry.root === ROOT_L1) return entry.l2Gfn >= slot.baseGfn && entry.l2Gfn < end ? entry.l2Gfn : -1;
  if (slot.layout.hostMap === 0) {
    const gfn = slot.baseGfn + (entry.pfn - slot.config.basePfn);
    return gfn >= slot.baseGfn && gfn < end ? gfn : -1;
  }
  for (let gfn = slot.baseGfn; gfn < end; gfn++) if (slot.pfn(gfn) === entry.pfn) return gfn;
  return -1;
}

const cursors = new WeakMap<Kvm, TlbCursor>();

/** The machine's cursor for a walk that calls no other check inside. */
export function tlbCursor(kvm: Kvm): TlbCursor {
  let cursor = cursors.get(kvm);
  if (cursor === undefined) {
    cursor = new TlbCursor(kvm);
    cursors.set(kvm, cursor);
  }
  cursor.begin();
  return cursor;
}
