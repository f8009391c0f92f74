/** Ranges of host memory as KVM sees them: the gfns that show them, in every slot that does (kvm_handle_hva_range). */
import { KVM_MAX_HUGEPAGE_LEVEL } from '../config.ts';
import type { Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';

/** Gfns [start, end) of one slot. */
export interface HostPart {
  readonly slot: MemSlot;
  readonly start: number;
  readonly end: number;
}

export interface HostRange {
  /** What faults are tested against: from the lowest to the highest gfn of the parts. */
  readonly start: number;
  readonly end: number;
  /** One per slot that shows this memory, whether the slot exists at the moment or not. */
  readonly parts: readonly HostPart[];
}

/** The host memory behind gfns [start, end) of the slot. */
export function hostRange(kvm: Kvm, slot: MemSlot, start: number, end: number): HostRange {
  const parts = kvm.slots
    .filter(({ config, npages }) => config.basePfn === slot.config.basePfn && npages === slot.npages)
    .map((other) => {
      const offset = other.baseGfn - slot.baseGfn;
      return { slot: other, start: start + offset, end: end + offset };
    });
  return {
    start: Math.min(...parts.map((part) => part.start)),
    end: Math.max(...parts.map((part) => part.end)),
    parts,
  };
}

/**
 * The gfns whose translations change when the host touches the mapping of gfns [start, end): if a huge page holds one of
 * them the host splits it first, and the notifier names all of it. The caller keeps the host from collapsing pages.
 */
export function mappedAround(kvm: Kvm, slot: MemSlot, start: number, end: number): HostRange {
  const first = Math.max(start & ~(kvm.pages(slot.hostLevel(start)) - 1), slot.baseGfn);
  const last = (end - 1) | (kvm.pages(slot.hostLevel(end - 1)) - 1);
  return hostRange(kvm, slot, first, Math.min(last + 1, slot.baseGfn + slot.npages));
}

/** The page of `level` around `gfn`, as far as it is in the slot. */
export function blockAround(
  kvm: Kvm,
  slot: MemSlot,
  gfn: number,
  level: number,
): { readonly start: number; readonly end: number } {
  const pages = kvm.pages(Math.min(level, KVM_MAX_HUGEPAGE_LEVEL));
  const start = gfn & ~(pages - 1);
  return { start: Math.max(start, slot.baseGfn), end: Math.min(start + pages, slot.baseGfn + slot.npages) };
}
