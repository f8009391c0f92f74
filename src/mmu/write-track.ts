/** Pages that hold a table above level 1 which is shadowed: every write to them is emulated (kernel-facts A2, A8). */
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import type { Kvm } from './kvm.ts';
import type { MemSlot } from './memslot.ts';
import { mayHoldTable } from './shadow-page.ts';

/** kvm_slot_page_track_add_page() and _remove_page(), with mmu_lock held for write. */
export function* countWriteTracked(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number, by: 1 | -1): Steps<void> {
  const word = slot.writeTrackWord(gfn);
  if (cpu.stepped && cpu.stops(Op.Add, word)) yield;
  cpu.add(word, by);
}

/** page_fault_handle_page_track(): a fault looks before it takes any lock. */
export function* isWriteTracked(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<boolean> {
  if (!mayHoldTable(kvm, gfn)) return false;
  const word = slot.writeTrackWord(gfn);
  if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
  return cpu.load(word) > 0;
}
