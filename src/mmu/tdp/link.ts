/** Linking a page-table page of the TDP MMU (kernel-facts 4.3 step 3, A2). */
import type { Cpu } from '../../cpu/cpu.ts';
import type { Steps } from '../../cpu/steps.ts';
import type { Kvm } from '../kvm.ts';
import { roleAdDisabled } from '../role.ts';
import { spRole, spTable } from '../shadow-page.ts';
import { makeNonleafSpte } from '../spte.ts';
import type { TdpIter } from './iter.ts';
import { tdpAccountMmuPage } from './pages.ts';
import { tdpMmuSetSpte, tdpMmuSetSpteAtomic } from './set-spte.ts';

/**
 * tdp_mmu_link_sp(): makes the entry of the iterator point to `sp`.
 * @returns 0, or -EBUSY if `shared` and somebody changed the entry: the page is still the caller's
 */
export function* tdpMmuLinkSp(kvm: Kvm, cpu: Cpu, iter: TdpIter, sp: number, shared: boolean): Steps<number> {
  makeNonleafSpte(kvm, cpu, spTable(kvm, sp), roleAdDisabled(spRole(kvm, sp)));
  const { lo, hi } = cpu;
  if (shared) {
    const result = yield* tdpMmuSetSpteAtomic(kvm, cpu, iter, lo, hi);
    if (result !== 0) return result;
  } else yield* tdpMmuSetSpte(kvm, cpu, iter, lo, hi);
  tdpAccountMmuPage(kvm);
  return 0;
}
