/**
 * Page-modification logging (kernel-facts 1.5, A26, B-10): hardware appends the address of every page whose D bit it sets
 * in EPT01 to a buffer of the vCPU; KVM empties the buffer into the dirty log on every exit.
 *
 * The index counts down from the last entry and is -1 when the buffer is full; then the vCPU exits before the access that
 * would have set another A or D bit. While L2 runs PML is off, and its leaves are tracked by write protection. KVM turns
 * PML off in the vCPUs too while no slot is logged; here it always runs, which costs exits and changes nothing else.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { C } from '../../cpu/counters.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import type { KvmConfig } from '../config.ts';
import type { Kvm } from '../kvm.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, type MemSlot } from '../memslot.ts';
import { srcuReadLock, srcuReadUnlock, type Vcpu } from '../vcpu.ts';
import { EXITING_GUEST_MODE, IN_GUEST_MODE, MODE_MASK, ROOT_L1, VCPU } from '../vcpu-words.ts';
import { markPageDirty } from './mark.ts';

/** True if dirty logging goes by D bits where it can: kvm_x86_ops.cpu_dirty_log_size is not 0. */
export const usesDirtyBits = (kvm: Kvm): boolean => kvm.config.pmlEntries > 0;

/** Default of `Engine.pmlLogs`: only while L1 runs (c3bb9a20834f). */
export const pmlLogs = ({ pmlEntries }: Pick<KvmConfig, 'pmlEntries'>, root: number): boolean =>
  pmlEntries > 0 && root === ROOT_L1;

/** Default of `Engine.pageAdNeedWriteProtect`: nested pages, where PML is in use (44ac5958a6c1). */
export const pageAdNeedWriteProtect = (kvm: Kvm, guestMode: boolean): boolean =>
  guestMode && usesDirtyBits(kvm);

const indexWord = (kvm: Kvm, vcpu: number): number => kvm.vcpuWord(vcpu) + VCPU.pmlIndex;

/** Empties a buffer without looking at it: at boot, and once everything in it was marked. */
export function resetPmlIndex(kvm: Kvm, vcpu: number): void {
  kvm.arena.put(indexWord(kvm, vcpu), kvm.config.pmlEntries - 1);
}

/** Hardware's part: there is no room for an entry. */
export const pmlFull = (vcpu: Vcpu): boolean => vcpu.kvm.w[indexWord(vcpu.kvm, vcpu.index)]! < 0;

/** Hardware's part: D of the page at `gfn` was set. Nobody but the vCPU looks at its buffer before the next exit. */
export function pmlAppend(vcpu: Vcpu, gfn: number): void {
  const { kvm, index } = vcpu;
  const word = indexWord(kvm, index);
  const at = kvm.w[word]!;
  kvm.arena.put(kvm.layout.pml + index * kvm.config.pmlEntries + at, gfn);
  kvm.arena.put(word, at - 1);
}

/** Default of `Engine.flushPmlBuffer`: vmx_flush_pml_buffer(), outside guest mode. Entries stay until all are marked. */
export function* flushPmlBuffer(vcpu: Vcpu): Steps<void> {
  const { kvm, cpu, index } = vcpu;
  const { pmlEntries } = kvm.config;
  const first = kvm.w[indexWord(kvm, index)]! + 1;
  if (first === pmlEntries) return;
  cpu.count(C.pmlFlushes);
  yield* srcuReadLock(vcpu);
  for (let at = first; at < pmlEntries; at++) {
    const gfn = kvm.w[kvm.layout.pml + index * pmlEntries + at]!;
    const slot = kvm.slotOf(gfn);
    if (slot === undefined) continue;
    if (cpu.stepped && cpu.stops(Op.Load, slot.flagsWord)) yield;
    if ((cpu.load(slot.flagsWord) & KVM_MEM_LOG_DIRTY_PAGES) !== 0) yield* markPageDirty(kvm, cpu, slot, gfn);
  }
  yield* srcuReadUnlock(vcpu);
  resetPmlIndex(kvm, index);
}

/**
 * kvm_arch_sync_dirty_log(): kicks the vCPUs that run L1, so that they exit and empty their buffers (A26). Nobody waits:
 * what comes too late for this harvest is in the next one, and stopped vCPUs have exited.
 */
export function* syncDirtyLog(kvm: Kvm, cpu: Cpu): Steps<void> {
  if (!usesDirtyBits(kvm)) return;
  const { vcpus, l1Vcpus } = kvm.config;
  for (let vcpu = vcpus - l1Vcpus; vcpu < vcpus; vcpu++) {
    const mode = kvm.vcpuWord(vcpu) + VCPU.mode;
    if (cpu.stepped && cpu.stops(Op.Load, mode)) yield;
    const seen = cpu.load(mode);
    if ((seen & MODE_MASK) !== IN_GUEST_MODE) continue;
    if (cpu.stepped && cpu.stops(Op.CompareExchange, mode)) yield;
    cpu.compareExchange(mode, seen, (seen & ~MODE_MASK) | EXITING_GUEST_MODE);
  }
}

/** True if `gfn` of the slot is in a PML buffer that was not emptied yet (Q45, Q46). */
export function inPmlBuffer(kvm: Kvm, slot: MemSlot, gfn: number): boolean {
  const { pmlEntries, vcpus } = kvm.config;
  if (pmlEntries === 0 || kvm.slotOf(gfn) !== slot) return false;
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    const buffer = kvm.layout.pml + vcpu * pmlEntries;
    for (let at = kvm.w[indexWord(kvm, vcpu)]! + 1; at < pmlEntries; at++) {
      if (kvm.w[buffer + at] === gfn) return true;
    }
  }
  return false;
}
