/**
 * The VM's process exits (kernel-facts A28): the memory goes first, and with it all that KVM has made of it, while threads
 * that were in the middle of something, the host's among them, come to their end. Then the vCPUs' MMUs are unloaded.
 *
 * Locks: mmu_lock for write, given up between two pages and in the walk of the TDP MMU. Flush: one, when the zapped pages are
 * committed; no vCPU enters the guest any more. What is left afterwards is a leak (Q53).
 */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../mmu/config.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { unloadMmu } from '../mmu/roots.ts';
import { kvmMmuUninitTdpMmu } from '../mmu/tdp/roots.ts';
import { zapAll } from '../mmu/zap-all.ts';
import type { CastMember } from './cast.ts';
import type { ActorContext, CastOptions } from './context.ts';

export const VM_TEARDOWN: CastMember = {
  summary: 'the process of the VM exits after the migration: everything is zapped, and nothing may be left',
  facts: ['A28', 'Q53'],
  moves: { destroy: 1 },
  run: vmTeardown,
};

export function* vmTeardown({ kvm, cpu }: ActorContext, options: CastOptions): Steps<void> {
  if (options.swarm > 0 && cpu.workload.chance(options.swarm)) return;
  if ((options.weights['destroy'] ?? 0) === 0) return;
  const finished = kvm.base + KVM.finished;
  cpu.safepoint();
  if (cpu.stepped && cpu.stops(Op.Wait, finished, 0)) yield;
  cpu.wait(finished, 0);
  // In a parallel run the wait may end early.
  if (cpu.stepped && cpu.stops(Op.Load, finished)) yield;
  while (cpu.load(finished) === 0) {
    if (cpu.stepped && cpu.stops(Op.Wait, finished, 0)) yield;
    cpu.wait(finished, 0);
    if (cpu.stepped && cpu.stops(Op.Load, finished)) yield;
  }
  // What there is to find is found now: afterwards there is nothing to look at.
  kvm.observer.teardown(cpu);
  kvm.put(KVM.tornDown, 1);
  // kvm_mmu_notifier_release(), then kvm_destroy_vm().
  yield* zapAll(kvm, cpu);
  for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
    yield* unloadMmu({ kvm, cpu, word: (field) => kvm.vcpuWord(vcpu) + field });
  }
  yield* kvmMmuUninitTdpMmu(kvm, cpu);
  reportLeaks(kvm, cpu);
  cpu.count(C.teardowns);
}

/** Q53 of a VM that is gone. Nobody makes pages any more, so no lock is needed to look. */
function reportLeaks(kvm: Kvm, cpu: Cpu): void {
  const left: [what: string, field: number][] = [
    ['shadow pages', KVM.nUsed],
    ['shadowed tables', KVM.indirectShadowPages],
    ['pages of the TDP MMU', KVM.tdpPages],
  ];
  for (let level = 1; level <= KVM_MAX_HUGEPAGE_LEVEL; level++) {
    left.push([`leaves of level ${level}`, KVM.pages + level - 1]);
  }
  for (const [what, field] of left) {
    const count = kvm.get(field);
    if (count === 0) continue;
    kvm.observer.broken(cpu, {
      id: 'Q53',
      text: `the VM is gone, and ${count} ${what} are left`,
      words: [kvm.base + field],
    });
  }
}
