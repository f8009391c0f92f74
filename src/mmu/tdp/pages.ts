/** Page-table pages of the TDP MMU (kernel-facts 4.3, Q38): allocation, identity, accounting. */
import type { Cpu } from '../../cpu/cpu.ts';
import type { Steps } from '../../cpu/steps.ts';
import { HEADER_WORDS } from '../../arena/layout.ts';
import { spinLock, spinUnlock } from '../../locks/spinlock.ts';
import { KVM, type Kvm } from '../kvm.ts';
import { cachePop } from '../memory-cache.ts';
import { unaccountHugeNxPage } from '../nx-list.ts';
import { roleLevel } from '../role.ts';
import { SP, SP_NX_DISALLOWED, SP_TDP, spFlags, spPut, spRole, spTable } from '../shadow-page.ts';
import type { Vcpu } from '../vcpu.ts';
import type { TdpIter } from './iter.ts';
import { tdpPagesLock } from './rcu.ts';

/** is_tdp_mmu_page(). */
export const isTdpSp = (kvm: Kvm, sp: number): boolean => (spFlags(kvm, sp) & SP_TDP) !== 0;

/** sp->ptep: the entry that points to the page; 0 for a root. */
export const tdpParentSptep = (kvm: Kvm, sp: number): number => kvm.w[kvm.header(sp) + SP.parentPtes]!;

/** atomic64_add() on a statistic that holders of a shared mmu_lock change; nobody decides anything by it. */
export function addStatistic(kvm: Kvm, field: number, by: number): void {
  kvm.arena.tally(kvm.base + field, by);
}

/** tdp_mmu_alloc_sp(): from the caches that the fault has topped up. Not yet initialised, but for its table. */
export function tdpMmuAllocSp({ kvm, caches }: Pick<Vcpu, 'kvm' | 'caches'>): number {
  const sp = cachePop(kvm, caches.header, 'mmu_page_header');
  spPut(kvm, sp, SP.table, cachePop(kvm, caches.table, 'mmu_shadow_page'));
  return sp;
}

/** The same from the allocator. Returns 0 if there is nothing left. */
export function tdpMmuAllocSpFromPool(kvm: Kvm): number {
  const sp = kvm.headerPool.alloc();
  if (sp === 0) return 0;
  const table = kvm.tablePool.alloc();
  if (table === 0) {
    kvm.headerPool.free(sp);
    return 0;
  }
  spPut(kvm, sp, SP.table, table);
  return sp;
}

/** tdp_mmu_init_sp(). `parentSptep` is 0 for a root. */
export function tdpMmuInitSp(
  kvm: Kvm,
  cpu: Cpu,
  sp: number,
  parentSptep: number,
  gfn: number,
  role: number,
): void {
  const { arena, w } = kvm;
  const header = kvm.header(sp);
  const table = w[header + SP.table]!;
  arena.touchRange(header, HEADER_WORDS);
  w.fill(0, header, header + HEADER_WORDS);
  w[header + SP.gfn] = gfn;
  w[header + SP.role] = role;
  w[header + SP.flags] = SP_TDP;
  w[header + SP.parentPtes] = parentSptep;
  w[header + SP.table] = table;
  arena.put(kvm.tableOwner + table, sp);
  kvm.observer.tdpPageMade(cpu, sp);
}

/** tdp_mmu_init_child_sp(): the page that may be linked at the entry of the iterator. */
export function tdpMmuInitChildSp(kvm: Kvm, cpu: Cpu, sp: number, iter: TdpIter): void {
  const role = spRole(kvm, iter.sp);
  tdpMmuInitSp(kvm, cpu, sp, iter.sptep, iter.gfn, (role & ~0xf) | (roleLevel(role) - 1));
}

/** tdp_mmu_free_sp(): of a page nobody has seen. */
export function tdpMmuFreeSp(kvm: Kvm, sp: number): void {
  const table = spTable(kvm, sp);
  kvm.arena.put(kvm.tableOwner + table, 0);
  kvm.tablePool.free(table);
  kvm.headerPool.free(sp);
}

/** tdp_account_mmu_page(). */
export const tdpAccountMmuPage = (kvm: Kvm): void => addStatistic(kvm, KVM.tdpPages, 1);

/** tdp_mmu_unlink_sp(): the page is no longer part of a root. */
export function* tdpMmuUnlinkSp(kvm: Kvm, cpu: Cpu, sp: number, shared: boolean): Steps<void> {
  addStatistic(kvm, KVM.tdpPages, -1);
  if ((spFlags(kvm, sp) & SP_NX_DISALLOWED) === 0) return;
  if (shared) yield* spinLock(cpu, tdpPagesLock(kvm), kvm.observer);
  unaccountHugeNxPage(kvm, sp);
  if (shared) yield* spinUnlock(cpu, tdpPagesLock(kvm), kvm.observer);
}
