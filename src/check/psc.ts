/**
 * The paging-structure caches (kernel-facts 5.6, 6.4, Q49, Q51): what a walker remembers leads where a walk from the root
 * leads, unless a flush is pending. A table that was unlinked without a flush shows here before any leaf of it is used.
 */
import { isLarge, isShadowPresent, sptePfn } from '../mmu/format.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { pscRangePending } from '../mmu/flush-range.ts';
import { pscEntries, type PscEntry } from '../mmu/psc.ts';
import { roleLevel } from '../mmu/role.ts';
import { spRole, spTable } from '../mmu/shadow-page.ts';
import { walkIndex } from '../mmu/shadow/walk-addr.ts';
import { REQ_TLB_FLUSH, ROOT_L1, VCPU } from '../mmu/vcpu-words.ts';
import { hex } from './naming.ts';
import { isLeaving } from './leaving.ts';
import type { ReportBroken, StateCheck } from './types.ts';

/** The table that a walk from the root finds under the entry of `level`, or 0. */
function tableUnder(kvm: Kvm, rootSp: number, l2Gfn: number, level: number): number {
  let table = spTable(kvm, rootSp);
  for (let at = roleLevel(spRole(kvm, rootSp)); at >= level; at--) {
    if (table < 1 || table > kvm.layout.dims.tables) return 0;
    const sptep = kvm.tablesQ + (table << kvm.tableBits) + walkIndex(kvm, l2Gfn, at);
    const lo = kvm.w[sptep * 2]!;
    if (!isShadowPresent(lo) || isLarge(lo)) return 0;
    table = sptePfn(lo, kvm.w[sptep * 2 + 1]!) - kvm.tablePfnBase;
  }
  return table;
}

function checkEntry(kvm: Kvm, entry: PscEntry, broken: ReportBroken): void {
  const rootSp = kvm.w[kvm.vcpuWord(entry.vcpu) + VCPU.roots + entry.root]!;
  if (entry.root < 0 || entry.root > ROOT_L1 || rootSp <= 0 || rootSp > kvm.layout.dims.tables) return;
  if (isLeaving(kvm, entry.vcpu, rootSp)) return;
  const found = tableUnder(kvm, rootSp, entry.l2Gfn, entry.level);
  if (found === entry.table || pscRangePending(kvm, entry)) return;
  const freed = kvm.w[kvm.tableOwner + entry.table] === 0;
  const what = freed
    ? 'which was freed'
    : found === 0
      ? 'and no table is there'
      : `and table ${found} is there`;
  broken(
    freed ? 'Q51' : 'Q49',
    `vCPU ${entry.vcpu} remembers table ${entry.table} below level ${entry.level} for gfn ${hex(entry.l2Gfn)}, ${what}, and no flush is pending`,
    [entry.word],
  );
}

export const pscCheck: StateCheck = {
  ids: ['Q49', 'Q51'],
  when: 'release',
  tdp: true,
  run(kvm, broken) {
    if (kvm.config.pscEntries === 0) return;
    for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
      if ((kvm.w[kvm.vcpuWord(vcpu) + VCPU.requests]! & REQ_TLB_FLUSH) !== 0) continue;
      for (const entry of pscEntries(kvm, vcpu)) checkEntry(kvm, entry, broken);
    }
  },
};
