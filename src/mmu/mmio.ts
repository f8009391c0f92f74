/**
 * Accesses to gfns that no memslot has (kernel-facts 2.6, A27, B-45): the first one leaves an MMIO SPTE behind, later ones
 * are emulated right away, as long as the memslots are of the generation that the SPTE names.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { RET_PF_EMULATE, RET_PF_INVALID, RET_PF_RETRY } from './errno.ts';
import { flushRemoteTlbs } from './flush.ts';
import { isLarge, isShadowPresent } from './format.ts';
import { heldHi, heldLo } from './held-spte.ts';
import { KVM, type Kvm } from './kvm.ts';
import { locklessWalk } from './lockless-walk.ts';
import { isMmioSpte, makeMmioSpte, mmioSpteGeneration } from './mmio-spte.ts';
import { roleLevel } from './role.ts';
import { dropLeaf } from './rmap.ts';
import { spRole, sptepToSp } from './shadow-page.ts';
import { dropParentPte } from './shadow/zap.ts';
import { spteChildSp } from './spte.ts';
import type { Vcpu } from './vcpu.ts';

/** KVM_MEMSLOT_GEN_UPDATE_IN_PROGRESS: set while a change of the memslots waits for its readers. */
export const MEMSLOT_GEN_UPDATE_IN_PROGRESS = -0x80000000;

/** The generation after `gen`. */
export const nextGeneration = (gen: number): number =>
  ((gen & ~MEMSLOT_GEN_UPDATE_IN_PROGRESS) + 1) & ~MEMSLOT_GEN_UPDATE_IN_PROGRESS;

/** The part of a generation that an MMIO SPTE has room for. */
const mmioGeneration = (kvm: Kvm, gen: number): number => gen & ((1 << kvm.config.mmioGenBits) - 1);

/** True if generations start over with `gen` (A27). */
export const generationWrapped = (kvm: Kvm, gen: number): boolean => mmioGeneration(kvm, gen) === 0;

/** The first generation after `gen` that is the start of a round. */
export function firstWrap(kvm: Kvm, gen: number): number {
  const round = 1 << kvm.config.mmioGenBits;
  return (gen & ~MEMSLOT_GEN_UPDATE_IN_PROGRESS & ~(round - 1)) + round;
}

/** kvm_memslots(): the generation as a reader under SRCU finds it. */
function* loadGeneration(kvm: Kvm, cpu: Cpu): Steps<number> {
  const word = kvm.base + KVM.slotsGen;
  if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
  return cpu.load(word);
}

/** make_mmio_spte() with the generation of now. The value is left in `cpu.lo/hi`. */
export function* currentMmioSpte(kvm: Kvm, cpu: Cpu, gfn: number): Steps<void> {
  makeMmioSpte(kvm.format, cpu, gfn, mmioGeneration(kvm, yield* loadGeneration(kvm, cpu)));
}

/** Default of `Engine.mmioGenerationMatches`: check_mmio_spte(). */
export function mmioGenerationMatches(kvm: Kvm, lo: number, hi: number, gen: number): boolean {
  return (
    (gen & MEMSLOT_GEN_UPDATE_IN_PROGRESS) === 0 && mmioSpteGeneration(lo, hi) === mmioGeneration(kvm, gen)
  );
}

/**
 * handle_mmio_page_fault(): hardware found an MMIO SPTE. SRCU is held.
 * @returns RET_PF_EMULATE; RET_PF_INVALID if its generation is over, and the fault goes the long way; RET_PF_RETRY if the
 * entry is no longer there
 */
export function* handleMmioPageFault(vcpu: Vcpu, gfn: number): Steps<number> {
  const { kvm, cpu } = vcpu;
  if ((yield* locklessWalk(vcpu, gfn)) === 0) return RET_PF_RETRY;
  const { lo, hi } = cpu;
  if (!isMmioSpte(kvm.format, lo, hi)) return RET_PF_RETRY;
  const gen = yield* loadGeneration(kvm, cpu);
  if (!kvm.engine.mmioGenerationMatches(kvm, lo, hi, gen)) return RET_PF_INVALID;
  cpu.count(C.mmioAccesses);
  return RET_PF_EMULATE;
}

/** mark_mmio_spte() at `sptep` of the shadow MMU, with mmu_lock held for write. Returns RET_PF_EMULATE. */
export function* setMmioSpte(kvm: Kvm, cpu: Cpu, sptep: number, gfn: number): Steps<number> {
  kvm.assertMmuWrite(cpu, 'an SPTE');
  const flush = isShadowPresent(heldLo(kvm, sptep)) && (yield* kvm.engine.mmioOverPresent(kvm, cpu, sptep));
  yield* currentMmioSpte(kvm, cpu, gfn);
  const { lo, hi } = cpu;
  if (cpu.stepped && cpu.stops(Op.Store64, sptep * 2)) yield;
  cpu.store64(sptep, lo, hi);
  cpu.count(C.mmioSptes);
  cpu.count(C.mmioAccesses);
  if (flush) yield* flushRemoteTlbs(kvm, cpu, 'fault', gfn, 1);
  return RET_PF_EMULATE;
}

/** Default of `Engine.mmioOverPresent`: what is there goes first, its reverse map included (B-45). True: flush. */
export function* mmioOverPresent(kvm: Kvm, cpu: Cpu, sptep: number): Steps<boolean> {
  const lo = heldLo(kvm, sptep);
  const level = roleLevel(spRole(kvm, sptepToSp(kvm, sptep)));
  if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
  if (level > 1 && !isLarge(lo)) dropParentPte(kvm, cpu, spteChildSp(kvm, lo, heldHi(kvm, sptep)), sptep);
  else yield* dropLeaf(kvm, cpu, sptep);
  return true;
}
