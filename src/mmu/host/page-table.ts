/** The host's page-table entries behind guest memory; encoding and readers are in src/mmu/memslot.ts. */
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../config.ts';
import type { Kvm } from '../kvm.ts';
import { HOST_PRESENT, HOST_WRITABLE, hostEntryPfn, type MemSlot } from '../memslot.ts';

/** The frame that the boot put behind the page; a value of 0 maps it. */
export const bootPfn = (slot: MemSlot, gfn: number): number => slot.config.basePfn + (gfn - slot.baseGfn);

/** The frame of an entry that was loaded; of a page that is swapped out, where its content is. */
export const valuePfn = (slot: MemSlot, gfn: number, value: number): number =>
  value === 0 ? bootPfn(slot, gfn) : hostEntryPfn(value);

/** May the host's user space, and the guest through it, read the page, or also write it, without a fault of the host's? */
export function valueAllows(value: number, write: boolean): boolean {
  const need = HOST_PRESENT | (write ? HOST_WRITABLE : 0);
  return value === 0 || (value & need) === need;
}

/**
 * Replaces an entry, under the page-table lock. Others look at it without a lock, so this is an operation; how many pages
 * of a huge page are no longer mapped as part of it is looked at under mmu_lock only, with no invalidation around it.
 */
export function* setHostEntry(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number, value: number): Steps<void> {
  const word = slot.hostWord(gfn);
  const old = kvm.w[word]!;
  if (cpu.stepped && cpu.stops(Op.Store, word)) yield;
  cpu.store(word, value);
  const by = Number(value !== 0) - Number(old !== 0);
  if (by === 0) return;
  for (let level = 2; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
    const broken = slot.hostBrokenWord(gfn, level);
    kvm.arena.put(broken, kvm.w[broken]! + by);
  }
}
