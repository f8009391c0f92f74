/** Steps of dirty logging where kernels differ or bugs lived (kernel-facts 3.13, 7.1, 12). */
import type { Steps } from '../../cpu/steps.ts';
import type { KvmConfig } from '../config.ts';
import type { Kvm } from '../kvm.ts';
import type { Vcpu } from '../vcpu.ts';
import { flushPmlBuffer, pageAdNeedWriteProtect, pmlLogs } from './pml.ts';

export interface LogSteps {
  /** E1 to E3 split the TDP MMU before the shadow MMU, as the fourth posting did (C13). */
  readonly splitsTdpFirst: boolean;
  /**
   * kvm_mmu_page_ad_need_write_protect(): leaves of such a page are tracked by write protection although they have D
   * bits (SPTE_TDP_AD_WRPROT_ONLY; Q31, B-36, H-D).
   */
  pageAdNeedWriteProtect(kvm: Kvm, guestMode: boolean): boolean;
  /** make_spte(): a writable leaf with D bits gets D at once, as its page counts as dirty from then on (3.10, H-D). */
  leafIsBornDirty(kvm: Kvm): boolean;
  /** Whether hardware logs D bits set through this root of a vCPU: not while L2 runs (B-10). */
  pmlLogs(config: Pick<KvmConfig, 'pmlEntries'>, root: number): boolean;
  /** What hardware logs for the leaf `sptep`: `gfn`, the address that the guest used, of L2 if L2 runs (B-10). */
  pmlAddress(kvm: Kvm, sptep: number, gfn: number): number;
  /** vmx_flush_pml_buffer(), on every exit. */
  flushPmlBuffer(vcpu: Vcpu): Steps<void>;
  /** An emulated write puts its page into the log; locked instructions went by another way until 2024 (B-08). */
  emulatedWriteIsMarked(vcpu: Vcpu): boolean;
  /** The flush at the end of KVM_RESET_DIRTY_RINGS, which has freed so many entries (A15). */
  flushAfterReset(cleared: number): boolean;
}

export const LOG_STEPS: LogSteps = {
  splitsTdpFirst: false,
  pageAdNeedWriteProtect,
  leafIsBornDirty: () => true,
  pmlLogs,
  pmlAddress: (_kvm, _sptep, gfn) => gfn,
  flushPmlBuffer,
  emulatedWriteIsMarked: () => true,
  flushAfterReset: (cleared) => cleared > 0,
};
