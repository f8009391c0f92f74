/**
 * The dirty ring (kernel-facts A15, E3): each vCPU has a ring that it shares with user space. A page that becomes dirty is
 * pushed; user space harvests entries; KVM_RESET_DIRTY_RINGS write-protects harvested pages and frees the entries.
 *
 * An entry is two words: the slot's index and two flags, then the page's offset. The flags hand it on: 0 KVM's, DIRTIED
 * user space's to harvest, HARVESTED KVM's to reset. Rings belong to vCPUs: a thread that runs none cannot log anything,
 * which KVM WARNs about and the model reports as D6; no thread of the model without a vCPU makes a page writable.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { RING_ENTRY_WORDS } from '../../arena/layout.ts';
import { KernelBug } from '../bug.ts';
import type { KvmConfig } from '../config.ts';
import type { Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import type { Vcpu } from '../vcpu.ts';
import { VCPU } from '../vcpu-words.ts';

export const RING_DIRTIED = 1;
export const RING_HARVESTED = 2;
export const RING_SLOT_SHIFT = 2;

/** PTE_PREFETCH_NUM (kernel-facts 2.2). */
const PREFETCH = 8;

/**
 * Entries that must be free when a vCPU enters the guest: what one stay and its exit may push. KVM keeps 64 and the PML
 * entries; here it is one fault with its prefetch and an emulated write, and the PML entries.
 */
export const ringReserved = (config: Pick<KvmConfig, 'tableBits' | 'pmlEntries'>): number =>
  Math.min(PREFETCH, 1 << config.tableBits) + 2 + config.pmlEntries;

/** Word of the entry that the free-running count `index` stands for. */
export const ringEntry = (kvm: Kvm, vcpu: number, index: number): number => {
  const { ringEntries } = kvm.config;
  const at = (index >>> 0) % ringEntries;
  return kvm.layout.rings + (vcpu * ringEntries + at) * RING_ENTRY_WORDS;
};

/** kvm_dirty_ring_push() into the ring of the vCPU that runs. */
export function* dirtyRingPush(kvm: Kvm, cpu: Cpu, slot: MemSlot, gfn: number): Steps<void> {
  const vcpu = cpu.runningVcpu;
  if (vcpu < 0) {
    kvm.observer.broken(cpu, {
      id: 'D6',
      text: `${cpu.name} dirtied gfn ${gfn}, but runs no vCPU whose dirty ring could tell`,
      words: [],
    });
    return;
  }
  const push = kvm.vcpuWord(vcpu) + VCPU.ringPush;
  const index = kvm.w[push]!;
  const entry = ringEntry(kvm, vcpu, index);
  if (kvm.w[entry] !== 0) {
    throw new KernelBug('D6', `the dirty ring of vCPU ${vcpu} is full, and gfn ${gfn} is dirty`, [entry]);
  }
  kvm.arena.put(entry + 1, gfn - slot.baseGfn);
  if (cpu.stepped && cpu.stops(Op.Store, entry)) yield;
  cpu.store(entry, (kvm.slots.indexOf(slot) << RING_SLOT_SHIFT) | RING_DIRTIED);
  kvm.arena.put(push, (index + 1) | 0);
  cpu.count(C.dirtySet);
}

/** kvm_dirty_ring_soft_full(): the vCPU may not enter the guest; KVM_EXIT_DIRTY_RING_FULL. */
export function* dirtyRingSoftFull(vcpu: Vcpu): Steps<boolean> {
  const { kvm, cpu } = vcpu;
  const reset = vcpu.word(VCPU.ringReset);
  if (cpu.stepped && cpu.stops(Op.Load, reset)) yield;
  const used = (kvm.w[vcpu.word(VCPU.ringPush)]! - cpu.load(reset)) | 0;
  return used >= kvm.config.ringEntries - ringReserved(kvm.config);
}

/** True if `gfn` of the slot is in an entry that was not reset yet (Q44, Q46). */
export function inDirtyRing(kvm: Kvm, slot: MemSlot, gfn: number): boolean {
  const { ringEntries, vcpus } = kvm.config;
  if (ringEntries === 0) return false;
  const index = kvm.slots.indexOf(slot);
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    for (let at = 0; at < ringEntries; at++) {
      const entry = ringEntry(kvm, vcpu, at);
      const value = kvm.w[entry]!;
      if (value === 0 || value >> RING_SLOT_SHIFT !== index) continue;
      if (kvm.w[entry + 1] === gfn - slot.baseGfn) return true;
    }
  }
  return false;
}
