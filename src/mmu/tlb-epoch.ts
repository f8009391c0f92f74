/** What makes an entry of a vCPU's TLB or paging-structure cache live: that it was made since the last full flush. */
import type { Kvm } from './kvm.ts';
import { VCPU } from './vcpu-words.ts';

/** Epochs start at 1 so that an all-zero entry is dead. */
export const liveEpoch = (kvm: Kvm, vcpu: number): number => kvm.w[kvm.vcpuWord(vcpu) + VCPU.tlbEpoch]! + 1;
