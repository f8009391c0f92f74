/**
 * The page fault of L1: direct_page_fault() of 6.1.192, on the TDP MMU or, without it, on direct pages of the shadow MMU
 * (kernel-facts 4.5, 5.4, A2, C1).
 */
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../config.ts';
import { emulateWrite } from '../dirty-log.ts';
import { ENOMEM, RET_PF_EMULATE, RET_PF_INVALID, RET_PF_RETRY } from '../errno.ts';
import { fastPageFault } from '../fast-page-fault.ts';
import { ACC_EXEC, ACC_WRITE } from '../format.ts';
import { faultinPfn } from '../host/faultin.ts';
import type { Kvm } from '../kvm.ts';
import { topupVcpuCache } from '../memory-cache.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEMSLOT_INVALID, MEMSLOT_GONE, type MemSlot } from '../memslot.ts';
import { isWriteTracked } from '../write-track.ts';
import { directPageFaultLocked } from '../shadow/direct-fault.ts';
import { isPageFaultStale, topupVcpuCaches } from '../shadow/fault.ts';
import type { Fault } from '../shadow/set-spte.ts';
import type { Vcpu } from '../vcpu.ts';
import { tdpMmuMap } from './map.ts';
import { rcuDrain, rcuMakeRoom } from './rcu.ts';

/** PT64_ROOT_MAX_LEVEL tables are the most that one fault can need (kernel-facts 2.3). */
const PAGE_CACHE_MIN = 5;

/** Inside SRCU. Arguments and result as for `pageFault` of the shadow MMU; `gfn` is L1's. */
export function* tdpPageFault(vcpu: Vcpu, gfn: number, access: number, present: boolean): Steps<number> {
  const { kvm, cpu } = vcpu;
  const write = (access & ACC_WRITE) !== 0;
  const slot = kvm.slotOf(gfn);
  let flags = MEMSLOT_GONE;
  if (slot !== undefined) {
    // The memslot as this fault sees it; SRCU keeps it valid until the fault ends.
    if (cpu.stepped && cpu.stops(Op.Load, slot.flagsWord)) yield;
    flags = cpu.load(slot.flagsWord);
  }
  const exists = slot !== undefined && (flags & MEMSLOT_GONE) === 0;
  const logged = exists && (flags & KVM_MEM_LOG_DIRTY_PAGES) !== 0;
  if (exists) {
    if (present && write && (yield* isWriteTracked(kvm, cpu, slot, gfn))) {
      yield* emulateWrite(vcpu, slot, gfn);
      return RET_PF_EMULATE;
    }
    const fast = yield* fastPageFault(vcpu, { gfn, access, present, slot, logged });
    if (fast !== RET_PF_INVALID) return fast;
  }
  if (!(kvm.config.tdpMmu ? yield* topupCaches(vcpu) : topupVcpuCaches(vcpu))) return ENOMEM;
  if (exists && (flags & KVM_MEMSLOT_INVALID) !== 0) {
    // The slot is going away: the guest tries again until it has gone (A18).
    vcpu.invalidSlot = slot;
    return RET_PF_RETRY;
  }
  // There is nothing behind a write to a slot that may only be read: user space is told (KVM_PFN_ERR_RO_FAULT).
  if (exists && write && slot.config.readonly) return RET_PF_EMULATE;
  const fault = directFault(kvm, exists ? slot : undefined, gfn, access, logged);
  if (exists) yield* faultinPfn(vcpu, fault);
  const mapLocked = kvm.config.tdpMmu ? mapUnderReadLock : directPageFaultLocked;
  const result = yield* mapLocked(vcpu, fault);
  kvm.observer.fault(cpu, gfn, fault.goalLevel, result);
  if (result === RET_PF_EMULATE && exists) yield* emulateWrite(vcpu, slot, gfn);
  yield* rcuDrain(kvm, cpu);
  return result;
}

function* mapUnderReadLock(vcpu: Vcpu, fault: Fault): Steps<number> {
  const { kvm, cpu } = vcpu;
  yield* kvm.readLock(cpu);
  const result = isPageFaultStale(vcpu, fault) ? RET_PF_RETRY : yield* tdpMmuMap(vcpu, fault);
  yield* kvm.readUnlock(cpu);
  return result;
}

/** mmu_topup_memory_caches(), without what only indirect pages need. Returns false for -ENOMEM. */
function* topupCaches({ kvm, cpu, caches }: Vcpu): Steps<boolean> {
  yield* rcuMakeRoom(kvm, cpu);
  return (
    topupVcpuCache(kvm, cpu, caches.header, kvm.headerPool, PAGE_CACHE_MIN) &&
    topupVcpuCache(kvm, cpu, caches.table, kvm.tablePool, PAGE_CACHE_MIN)
  );
}

/** struct kvm_page_fault of a direct MMU. Without a slot it is MMIO. */
function directFault(
  kvm: Kvm,
  slot: MemSlot | undefined,
  gfn: number,
  access: number,
  logged: boolean,
): Fault {
  return {
    l2Gfn: gfn,
    access,
    write: (access & ACC_WRITE) !== 0,
    exec: (access & ACC_EXEC) !== 0,
    // Nobody looks at it if there is none.
    slot: slot ?? kvm.slots[0]!,
    logged,
    gfn,
    maxLevel: slot === undefined ? 1 : KVM_MAX_HUGEPAGE_LEVEL,
    reqLevel: 1,
    goalLevel: 1,
    hugePageDisallowed: false,
    noslot: slot === undefined,
    seq: 0,
    pfn: 0,
    hostWritable: false,
  };
}
