/** The list of shadow pages that exist only because the iTLB multihit mitigation forbids a huge page (1.6, Q33). */
import { C } from '../cpu/counters.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { KVM, type Kvm } from './kvm.ts';
import { SP, SP_NX_DISALLOWED, spFlags, spPut } from './shadow-page.ts';

export const isNxDisallowed = (kvm: Kvm, sp: number): boolean => (spFlags(kvm, sp) & SP_NX_DISALLOWED) !== 0;

/**
 * account_huge_nx_page(): the page goes to the end of the list and is counted, once. The caller holds `mmu_lock` for
 * write, or for read with tdp_mmu_pages_lock. Children made by an eager split are never marked (Q33).
 */
export function accountHugeNxPage(kvm: Kvm, cpu: Cpu, sp: number): void {
  if (isNxDisallowed(kvm, sp)) return;
  const head = kvm.get(KVM.nxHead);
  // The list is a ring: the neighbour before its head is its tail.
  const tail = head === 0 ? sp : kvm.w[kvm.header(head) + SP.nxPrev]!;
  spPut(kvm, sp, SP.nxPrev, tail);
  spPut(kvm, sp, SP.nxNext, head === 0 ? sp : head);
  if (head === 0) kvm.put(KVM.nxHead, sp);
  else {
    spPut(kvm, tail, SP.nxNext, sp);
    spPut(kvm, head, SP.nxPrev, sp);
  }
  kvm.put(KVM.nxCount, kvm.get(KVM.nxCount) + 1);
  spPut(kvm, sp, SP.flags, spFlags(kvm, sp) | SP_NX_DISALLOWED);
  cpu.count(C.nxSplits);
}

/** unaccount_huge_nx_page(): off the list; nothing happens if the page is not on it. Locks as for accountHugeNxPage. */
export function unaccountHugeNxPage(kvm: Kvm, sp: number): void {
  if (!isNxDisallowed(kvm, sp)) return;
  const header = kvm.header(sp);
  const prev = kvm.w[header + SP.nxPrev]!;
  const next = kvm.w[header + SP.nxNext]!;
  if (next === sp) kvm.put(KVM.nxHead, 0);
  else {
    spPut(kvm, prev, SP.nxNext, next);
    spPut(kvm, next, SP.nxPrev, prev);
    if (kvm.get(KVM.nxHead) === sp) kvm.put(KVM.nxHead, next);
  }
  kvm.put(KVM.nxCount, kvm.get(KVM.nxCount) - 1);
  spPut(kvm, sp, SP.flags, spFlags(kvm, sp) & ~SP_NX_DISALLOWED);
}

/** The list, oldest first. */
export function nxDisallowedPages(kvm: Kvm): number[] {
  const head = kvm.get(KVM.nxHead);
  const pages: number[] = [];
  for (let sp = head; sp !== 0;) {
    pages.push(sp);
    sp = kvm.w[kvm.header(sp) + SP.nxNext]!;
    if (sp === head) break;
  }
  return pages;
}
