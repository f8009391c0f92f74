/** A vCPU lets go of its roots (kernel-facts A25, Q16): on request after a zap, or all of them when its MMU is reset. */
import type { Cpu } from '../cpu/cpu.ts';
import type { Steps } from '../cpu/steps.ts';
import type { Kvm } from './kvm.ts';
import { roleInvalid } from './role.ts';
import { isObsolete, SP, spPut, spRole, spRootCount } from './shadow-page.ts';
import { commitZap, prepareZap } from './shadow/zap.ts';
import { ROOT_L1, VCPU } from './vcpu-words.ts';
import { isTdpSp } from './tdp/pages.ts';
import { tdpMmuPutRoot, tdpRunZapWork } from './tdp/roots.ts';

/** What of a vCPU is needed here. */
export interface RootOwner {
  readonly kvm: Kvm;
  readonly cpu: Cpu;
  word(field: number): number;
}

/** Default of `Engine.isObsoleteRoot`: is_obsolete_root(): zapped, or of an older generation. */
export const isObsoleteRoot = (kvm: Kvm, rootSp: number): boolean => isObsolete(kvm, rootSp);

/** kvm_mmu_free_obsolete_roots(): the answer to REQ_FREE_OBSOLETE_ROOTS. */
export function* freeObsoleteRoots(vcpu: RootOwner): Steps<void> {
  yield* freeRoots(vcpu, (sp) => vcpu.kvm.engine.isObsoleteRoot(vcpu.kvm, sp));
}

/** kvm_mmu_unload(): all roots go, whatever their state; the next entry loads one anew. */
export function* unloadMmu(vcpu: RootOwner): Steps<void> {
  yield* freeRoots(vcpu, () => true);
}

/**
 * kvm_mmu_free_roots(): drops the reference; with the last one an invalid page goes, and a valid one stays where it is
 * until somebody loads or zaps it.
 */
export function* freeRoots(vcpu: RootOwner, which: (sp: number, root: number) => boolean): Steps<void> {
  const { kvm, cpu } = vcpu;
  yield* kvm.writeLock(cpu);
  const invalid: number[] = [];
  let putTdp = false;
  for (let root = ROOT_L1; root >= 0; root--) {
    const word = vcpu.word(VCPU.roots + root);
    const sp = kvm.w[word]!;
    if (sp === 0 || !which(sp, root)) continue;
    kvm.arena.put(word, 0);
    if (isTdpSp(kvm, sp)) {
      yield* tdpMmuPutRoot(kvm, cpu, sp);
      putTdp = true;
      continue;
    }
    const count = spRootCount(kvm, sp) - 1;
    spPut(kvm, sp, SP.rootCount, count);
    if (count === 0 && roleInvalid(spRole(kvm, sp))) yield* prepareZap(kvm, cpu, sp, invalid);
  }
  yield* commitZap(kvm, cpu, invalid);
  yield* kvm.writeUnlock(cpu);
  if (putTdp) yield* tdpRunZapWork(kvm, cpu);
}
