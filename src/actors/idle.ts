/** Actors that stay away from a run: shrinking leaves out those that a failure does not need. */
import { GONE_HOME } from '../mmu/invept.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { VCPU } from '../mmu/vcpu-words.ts';
import type { ActorSpec } from './context.ts';

/** The index of the vCPU that an actor runs; -1 if it runs none. */
function vcpuOf(spec: ActorSpec): number {
  if (spec.kind === 'l2-vcpu') return spec.vcpu;
  return spec.kind === 'cast' && spec.member === 'l1-vcpu' ? spec.options.index : -1;
}

/** True if the others can do without the actor: nobody waits for it to do its work. */
export const mayStayAway = (spec: ActorSpec): boolean => vcpuOf(spec) >= 0 || spec.kind === 'cast';

/** Leaves the memory as an actor does that had nothing to do and has ended. */
export function stayAway(kvm: Kvm, spec: ActorSpec): void {
  const vcpu = vcpuOf(spec);
  if (vcpu < 0) return;
  // It is out of KVM_RUN for good, and has answered every INVEPT.
  kvm.put(KVM.paused, kvm.get(KVM.paused) + 1);
  if (kvm.config.l1Vcpus > 0) kvm.arena.put(kvm.vcpuWord(vcpu) + VCPU.inveptDone, GONE_HOME);
}
