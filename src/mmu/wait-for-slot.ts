/** A guest that wants a memslot which is being deleted (kernel-facts A18). */
import { Op, type Steps } from '../cpu/steps.ts';
import { KVM_MEMSLOT_INVALID, type MemSlot } from './memslot.ts';
import type { Vcpu } from './vcpu.ts';

/**
 * The fault that left its slot in `vcpu.invalidSlot` was answered with RET_PF_RETRY, and the guest would fault again and
 * again until the slot has gone: this vCPU sleeps through that. Called behind the SRCU section of the fault, as who deletes
 * the slot waits for its end.
 */
export function* waitForSlot(vcpu: Vcpu, slot: MemSlot): Steps<void> {
  const { cpu } = vcpu;
  vcpu.invalidSlot = undefined;
  const word = slot.flagsWord;
  if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
  const flags = cpu.load(word);
  if ((flags & KVM_MEMSLOT_INVALID) === 0) return;
  if (cpu.stepped && cpu.stops(Op.Wait, word, flags)) yield;
  cpu.wait(word, flags);
}
