/**
 * zapped_obsolete_pages: shadow pages that were zapped and wait for one flush before they are freed, over drops of
 * mmu_lock (kernel-facts A19, A22, Q51). The list is the VM's, as the shrinker may commit it in between.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { KVM, type Kvm } from './kvm.ts';
import { needResched, rwlockNeedbreak, yieldMmuLock } from './resched.ts';
import { isObsolete, SP, spPut } from './shadow-page.ts';
import { commitZap, prepareZap } from './shadow/zap.ts';

/** BATCH_ZAP_PAGES (kernel-facts 2.2): pages zapped at least between two looks at the lock. */
const BATCH_ZAP_PAGES = 10;

/** Zaps a page and puts what went with it on the list. Returns how many pages that were. */
export function* zapIntoList(kvm: Kvm, cpu: Cpu, sp: number): Steps<number> {
  const invalid: number[] = [];
  const count = yield* prepareZap(kvm, cpu, sp, invalid);
  for (const page of invalid) {
    spPut(kvm, page, SP.linkNext, kvm.get(KVM.obsoleteHead));
    kvm.put(KVM.obsoleteHead, page);
  }
  kvm.put(KVM.obsoletePages, kvm.get(KVM.obsoletePages) + invalid.length);
  return count;
}

/** kvm_mmu_commit_zap_page() of the list. Returns the pages freed. */
export function* commitList(kvm: Kvm, cpu: Cpu): Steps<number> {
  const pages = obsoleteList(kvm);
  const freed = pages.length;
  kvm.put(KVM.obsoleteHead, 0);
  kvm.put(KVM.obsoletePages, 0);
  for (const page of pages) spPut(kvm, page, SP.linkNext, 0);
  yield* commitZap(kvm, cpu, pages);
  return freed;
}

/** The pages on the list. */
export function obsoleteList(kvm: Kvm): number[] {
  const pages: number[] = [];
  for (let sp = kvm.get(KVM.obsoleteHead); sp !== 0; sp = kvm.w[kvm.header(sp) + SP.linkNext]!)
    pages.push(sp);
  return pages;
}

/** cond_resched_rwlock_write() of mmu_lock: true if the lock was dropped. */
export function* condReschedMmuWrite(kvm: Kvm, cpu: Cpu): Steps<boolean> {
  if (kvm.needbreakVisible && cpu.stepped && cpu.stops(Op.Load, kvm.mmuLock.waitLock)) yield;
  const contended = rwlockNeedbreak(kvm, cpu);
  if (!needResched(kvm, cpu) && !contended) return false;
  yield* yieldMmuLock(kvm, cpu);
  return true;
}

/**
 * kvm_zap_obsolete_pages(): zaps what is left of the old generation, from the tail of the active list, where it is. There
 * is one flush, at the end: nobody can be on these pages, because each vCPU was asked to let go of its old roots before.
 */
export function* zapObsoletePages(kvm: Kvm, cpu: Cpu): Steps<void> {
  let batch = 0;
  // Nothing is kept over a drop of the lock: the next page is always the oldest that is left.
  for (;;) {
    const sp = kvm.get(KVM.activeTail);
    if (sp === 0 || !isObsolete(kvm, sp)) break;
    if (batch >= BATCH_ZAP_PAGES) {
      if (yield* condReschedMmuWrite(kvm, cpu)) {
        batch = 0;
        continue;
      }
    }
    const zapped = yield* zapIntoList(kvm, cpu, sp);
    batch += zapped;
    cpu.count(C.obsoleteZapped, zapped);
  }
  yield* kvm.engine.commitObsolete(kvm, cpu);
}
