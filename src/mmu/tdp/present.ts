/** Whether the TDP MMU maps anything. */
import { KVM, type Kvm } from '../kvm.ts';

/**
 * False on a machine without vCPUs that run L1, or without the TDP MMU: then there is no TDP root, and passes over both MMUs leave out the
 * TDP part with its read section of `mmu_lock`, which KVM enters and leaves at once.
 */
export const hasTdpRoots = (kvm: Kvm): boolean =>
  (kvm.config.tdpMmu && kvm.config.l1Vcpus > 0) || kvm.get(KVM.tdpRoots) !== 0;
