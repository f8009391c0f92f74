/** Dispatches a page fault to the MMU that the vCPU runs on. */
import type { Steps } from '../cpu/steps.ts';
import { pageFault } from './shadow/fault.ts';
import { tdpPageFault } from './tdp/fault.ts';
import type { Vcpu } from './vcpu.ts';
import { ROOT_L1 } from './vcpu-words.ts';

/**
 * kvm_mmu_page_fault() for an access that the tables in use refused: EPT01 while L1 runs, EPT02 while L2 does.
 * @param gfn of L1 or L2, as the vCPU's root says
 * @param access ACC_ bits of the access
 * @param present the hardware found a present entry that forbade it
 * @param mmio the hardware found an MMIO SPTE
 * @returns RET_PF_, or -ENOMEM for user space
 */
export function guestFault(
  vcpu: Vcpu,
  gfn: number,
  access: number,
  present: boolean,
  mmio = false,
): Steps<number> {
  const inside = vcpu.rootIndex === ROOT_L1 ? tdpPageFault : undefined;
  return pageFault(vcpu, gfn, access, present, mmio, inside);
}
