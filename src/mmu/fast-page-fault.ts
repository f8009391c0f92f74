/**
 * fast_page_fault(): makes a leaf of a direct MMU writable again, or undoes access tracking, without mmu_lock (kernel-facts
 * 5.3, A3, B-20, D18).
 */
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { RET_PF_FIXED, RET_PF_INVALID, RET_PF_SPURIOUS } from './errno.ts';
import {
  ACC_EXEC,
  ACC_WRITE,
  isExecutable,
  isLastSpte,
  isMmuWritable,
  isReadable,
  isWritable,
  SPTE_W,
} from './format.ts';
import type { Kvm } from './kvm.ts';
import { lastSptepLockless, walkLocklessBegin, walkLocklessEnd } from './lockless-walk.ts';
import { markPageDirty } from './log/mark.ts';
import type { MemSlot } from './memslot.ts';
import { roleLevel } from './role.ts';
import { spRole, sptepToSp } from './shadow-page.ts';
import { isAccessTrackSpte, restoreAccessTrack } from './spte.ts';
import type { Vcpu } from './vcpu.ts';

export interface FastFault {
  readonly gfn: number;
  /** ACC_ bits of the access. */
  readonly access: number;
  /** Hardware found a present entry that forbade the access. */
  readonly present: boolean;
  readonly slot: MemSlot;
  /** The slot was dirty-tracked when the fault looked it up. */
  readonly logged: boolean;
}

/** More tries than this are left to the slow path (2.2). */
const MAX_TRIES = 5;

/** Default of `Engine.fastPfMayMakeWritable`: a huge page of a logged slot would be marked in one page only (B-20). */
export const fastPfMayMakeWritable = (level: number, logged: boolean): boolean => level === 1 || !logged;

/** page_fault_can_be_fast(). */
function pageFaultCanBeFast(kvm: Kvm, fault: FastFault): boolean {
  if (!fault.present) return !kvm.config.hostAdBits;
  return (fault.access & ACC_WRITE) !== 0;
}

/** is_access_allowed(). */
function isAccessAllowed(kvm: Kvm, access: number, lo: number, hi: number): boolean {
  if ((access & ACC_EXEC) !== 0) return isExecutable(kvm.format, lo, hi);
  if ((access & ACC_WRITE) !== 0) return isWritable(lo);
  return isReadable(kvm.format, lo);
}

/** @returns RET_PF_FIXED, RET_PF_SPURIOUS, or RET_PF_INVALID: the slow path has to deal with it */
export function* fastPageFault(vcpu: Vcpu, fault: FastFault): Steps<number> {
  const { kvm } = vcpu;
  if (vcpu.rootSp === 0 || !pageFaultCanBeFast(kvm, fault)) return RET_PF_INVALID;
  yield* walkLocklessBegin(vcpu);
  let result = RET_PF_INVALID;
  const seen: Seen = { oldLo: 0, oldHi: 0, newLo: 0, newHi: 0 };
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const tried = yield* tryToFix(vcpu, fault, seen);
    if (tried === undefined) continue;
    result = tried;
    break;
  }
  const { oldLo, oldHi, newLo, newHi } = seen;
  kvm.observer.fastPageFault(vcpu.cpu, fault.gfn, fault.access, oldLo, oldHi, newLo, newHi, result);
  yield* walkLocklessEnd(vcpu);
  return result;
}

/** What the last try has found in the entry, and what is there now. */
interface Seen {
  oldLo: number;
  oldHi: number;
  newLo: number;
  newHi: number;
}

/** One try; undefined if somebody else changed the entry in between. */
function* tryToFix(vcpu: Vcpu, fault: FastFault, seen: Seen): Steps<number | undefined> {
  const { kvm, cpu } = vcpu;
  const sptep = yield* lastSptepLockless(vcpu, fault.gfn);
  const { lo, hi } = cpu;
  seen.oldLo = seen.newLo = lo;
  seen.oldHi = seen.newHi = hi;
  const level = roleLevel(spRole(kvm, sptepToSp(kvm, sptep)));
  if (!isLastSpte(lo, level)) return RET_PF_INVALID;
  if (isAccessAllowed(kvm, fault.access, lo, hi)) return RET_PF_SPURIOUS;
  if (!kvm.config.hostAdBits && isAccessTrackSpte(lo, hi)) restoreAccessTrack(cpu);
  if ((fault.access & ACC_WRITE) !== 0 && isMmuWritable(kvm.format, lo, hi)) {
    if (!kvm.engine.fastPfMayMakeWritable(level, fault.logged)) return RET_PF_INVALID;
    cpu.lo |= SPTE_W;
  }
  const newLo = cpu.lo;
  const newHi = cpu.hi;
  if ((newLo === lo && newHi === hi) || !isAccessAllowed(kvm, fault.access, newLo, newHi))
    return RET_PF_INVALID;
  if (cpu.stepped && cpu.stops(Op.CompareExchange64, sptep * 2)) yield;
  if (!cpu.compareExchange64(sptep, lo, hi, newLo, newHi)) return undefined;
  seen.newLo = newLo;
  seen.newHi = newHi;
  kvm.observer.fastFixed(cpu, sptep, fault.gfn, newLo, newHi);
  cpu.count(C.fastPageFaults);
  // Only now, but before this vCPU enters the guest again (D19).
  if (fault.logged && isWritable(newLo) && !isWritable(lo)) {
    yield* markPageDirty(kvm, cpu, fault.slot, fault.gfn);
  }
  return RET_PF_FIXED;
}
