/** mmu_set_spte(): installing a leaf (kernel-facts 5.2 step 8). */
import { Op, type Steps } from '../../cpu/steps.ts';
import { C } from '../../cpu/counters.ts';
import { markPageDirty } from '../dirty-log.ts';
import { RET_PF_EMULATE, RET_PF_FIXED, RET_PF_SPURIOUS } from '../errno.ts';
import { flushRemoteTlbs } from '../flush.ts';
import { isLarge, isShadowPresent, isWritable, sptePfn } from '../format.ts';
import type { MemSlot } from '../memslot.ts';
import { dropSpte, mmuSpteUpdate, mustRecycle, rmapAdd } from '../rmap.ts';
import { roleAdDisabled, roleLevel } from '../role.ts';
import { hasIndirectPage, pageSetAccess, spRole, spteIndex, sptepToSp } from '../shadow-page.ts';
import { makeSpte, spteChildSp } from '../spte.ts';
import type { Vcpu } from '../vcpu.ts';
import { recycleRmap } from './recycle.ts';
import { dropParentPte } from './zap.ts';

/** struct kvm_page_fault. */
export interface Fault {
  readonly l2Gfn: number;
  readonly access: number;
  readonly write: boolean;
  readonly exec: boolean;
  readonly slot: MemSlot;
  /** The slot was dirty-tracked when the fault looked it up. */
  readonly logged: boolean;
  readonly gfn: number;
  readonly maxLevel: number;
  reqLevel: number;
  goalLevel: number;
  hugePageDisallowed: boolean;
  readonly seq: number;
  /** The frame behind `gfn` as the host mapped it after `seq` was read, and whether it may be written (5.2 step 3). */
  pfn: number;
  hostWritable: boolean;
}

/**
 * Installs a leaf for `baseGfn` at `sptep`; `prefetched` leaves A clear and never answers for the fault.
 * @returns RET_PF_FIXED, RET_PF_SPURIOUS or RET_PF_EMULATE
 */
export function* setSpte(
  vcpu: Vcpu,
  fault: Fault,
  sptep: number,
  access: number,
  baseGfn: number,
  prefetched: boolean,
): Steps<number> {
  const { kvm, cpu, caches } = vcpu;
  const { slot } = fault;
  const role = spRole(kvm, sptepToSp(kvm, sptep));
  const level = roleLevel(role);
  // A prefetch looks its frames up under mmu_lock, with no invalidation in progress.
  const pfn = prefetched ? slot.pfn(baseGfn) : fault.pfn - (fault.gfn - baseGfn);
  const word = sptep * 2;
  let oldLo = kvm.w[word]!;
  let flush = false;
  let wasRmapped = false;
  if (isShadowPresent(oldLo)) {
    const oldHi = kvm.w[word + 1]!;
    if (level > 1 && !isLarge(oldLo)) {
      if (cpu.stepped) yield cpu.at(Op.Exchange64, word);
      dropParentPte(kvm, cpu, spteChildSp(kvm, oldLo, oldHi), sptep);
      flush = true;
    } else if (sptePfn(oldLo, oldHi) !== pfn) {
      if (cpu.stepped) yield cpu.at(Op.Exchange64, word);
      dropSpte(kvm, cpu, sptep);
      flush = true;
    } else wasRmapped = true;
    if (!wasRmapped) oldLo = 0;
  }
  const wrprot = makeSpte(kvm, cpu, {
    level,
    pfn,
    access,
    hostWritable: prefetched ? slot.hostWritable(baseGfn) : fault.hostWritable,
    prefetch: prefetched,
    adDisabled: roleAdDisabled(role),
    oldLo,
    writeProtected: isShadowedGfn(vcpu, slot, baseGfn, level),
  });
  const { lo, hi } = cpu;
  // KVM marks the page before W can be seen, in the same write section (Q44, D19).
  if (fault.logged && isWritable(lo)) yield* markPageDirty(kvm, cpu, slot, baseGfn);

  let result = RET_PF_FIXED;
  if (wasRmapped) {
    // A and D may be set by hardware in the meantime; the exchange sees them.
    if (kvm.w[word] === lo && kvm.w[word + 1] === hi) result = RET_PF_SPURIOUS;
    else {
      if (cpu.stepped) yield cpu.at(Op.Exchange64, word);
      if (mmuSpteUpdate(kvm, cpu, sptep, lo, hi)) flush = true;
    }
  } else {
    kvm.assertMmuWrite(cpu, 'an SPTE');
    if (cpu.stepped) yield cpu.at(Op.Store64, word);
    cpu.store64(sptep, lo, hi);
  }
  if (wrprot && fault.write && !prefetched) result = RET_PF_EMULATE;
  if (flush) yield* flushRemoteTlbs(kvm, cpu, 'fault', baseGfn, kvm.pages(level));
  if (wasRmapped) pageSetAccess(kvm, sptepToSp(kvm, sptep), spteIndex(kvm, sptep), access);
  else if (mustRecycle(kvm, cpu, rmapAdd(kvm, cpu, caches.desc, slot, sptep, baseGfn, access))) {
    yield* recycleRmap(kvm, cpu, slot, baseGfn, level);
  }
  if (prefetched) cpu.count(C.prefetched);
  return result;
}

/**
 * mmu_try_to_unsync_pages(), conservatively: a gfn that holds a shadowed table stays write-protected. Unsync pages come
 * with L1 that rewrites its tables.
 */
function isShadowedGfn(vcpu: Vcpu, slot: MemSlot, gfn: number, level: number): boolean {
  const { kvm } = vcpu;
  if (level > 1) return false; // lpage_info forbids a huge page over a shadowed table
  const first = kvm.config.tableGfn;
  if (gfn < first || gfn >= first + kvm.config.tablePages) return false;
  return kvm.w[slot.writeTrackWord(gfn)]! > 0 || hasIndirectPage(kvm, gfn);
}
