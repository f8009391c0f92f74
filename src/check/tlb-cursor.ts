/** Walking the TLB entries that a vCPU may still use: live ones of vCPUs without a pending flush request. No allocation. */
import { TLB_ENTRY_WORDS } from '../arena/layout.ts';
import type { Kvm } from '../mmu/kvm.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import { liveEpoch, TLB } from '../mmu/tlb.ts';
import { REQ_TLB_FLUSH, VCPU } from '../mmu/vcpu-words.ts';

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
  private epoch = 0;
  private index = 0;

  constructor(kvm: Kvm) {
    this.kvm = kvm;
  }

  begin(): void {
    this.vcpu = -1;
    this.level = 3;
    this.index = (1 << this.kvm.config.tlbBits) - 1;
  }

  /** Moves to the next usable entry with all of `need`; false at the end. */
  next(need: number): boolean {
    const { kvm } = this;
    const { w } = kvm;
    const entries = 1 << kvm.config.tlbBits;
    for (;;) {
      if (++this.index >= entries) {
        this.index = 0;
        if (++this.level > 3) {
          this.level = 1;
          if (!this.nextVcpu()) return false;
        }
      }
      const at = kvm.tlbBase(this.vcpu) + ((this.level - 1) * entries + this.index) * TLB_ENTRY_WORDS;
      if (w[at + TLB.epoch] !== this.epoch || (w[at + TLB.perm]! & need) !== need) continue;
      this.word = at;
      this.root = w[at + TLB.root]!;
      this.l2Gfn = w[at + TLB.tag]! << ((this.level - 1) * kvm.tableBits);
      this.pfn = w[at + TLB.pfn]!;
      this.perm = w[at + TLB.perm]!;
      return true;
    }
  }

  /** A pending request is served before the next entry into the guest, so what is cached until then does not count. */
  private nextVcpu(): boolean {
    const { kvm } = this;
    while (++this.vcpu < kvm.config.vcpus) {
      if ((kvm.w[kvm.vcpuWord(this.vcpu) + VCPU.requests]! & REQ_TLB_FLUSH) !== 0) continue;
      this.epoch = liveEpoch(kvm, this.vcpu);
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

/** The slot that a frame backs. */
export function slotOfPfn(kvm: Kvm, pfn: number): MemSlot | undefined {
  const { slots } = kvm;
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]!;
    if (pfn >= slot.config.basePfn && pfn < slot.config.basePfn + slot.npages) return slot;
  }
  return undefined;
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
