/** vCPUs whose cached translations do not count any more, though no flush is requested. */
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { roleDirect, roleInvalid } from '../mmu/role.ts';
import { isObsolete, spRole } from '../mmu/shadow-page.ts';
import { EXITING_GUEST_MODE, IN_GUEST_MODE, MODE_MASK, VCPU } from '../mmu/vcpu-words.ts';

/** A vCPU outside the guest on a root that was zapped loads another one, and flushes, before it goes in again (A19). */
export function isLeaving(kvm: Kvm, vcpu: number, rootSp: number): boolean {
  // Nobody enters the guest any more (A28).
  if (kvm.get(KVM.tornDown) !== 0) return true;
  const role = spRole(kvm, rootSp);
  if (!roleInvalid(role) && (roleDirect(role) || !isObsolete(kvm, rootSp))) return false;
  const mode = kvm.w[kvm.vcpuWord(vcpu) + VCPU.mode]! & MODE_MASK;
  return mode !== IN_GUEST_MODE && mode !== EXITING_GUEST_MODE;
}
