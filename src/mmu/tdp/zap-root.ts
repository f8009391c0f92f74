/** tdp_mmu_zap_root(): everything below a root that is going, or everything there is (kernel-facts 4.5, A28). */
import type { Cpu } from '../../cpu/cpu.ts';
import type { Steps } from '../../cpu/steps.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../config.ts';
import { isShadowPresent } from '../format.ts';
import type { Kvm } from '../kvm.ts';
import { roleLevel } from '../role.ts';
import { spRole } from '../shadow-page.ts';
import { tdpMmuIterCondResched, TdpIter } from './iter.ts';
import { rcuReadLock, rcuReadUnlock } from './rcu.ts';
import { tdpMmuSetSpte, tdpMmuSetSpteAtomic } from './set-spte.ts';

/**
 * Zaps a root. The root itself stays. Nothing is flushed: either nobody uses the root any more and whoever did flushes before
 * its vCPU goes on, or the VM ends.
 * @param shared mmu_lock is held for read; it may be dropped and retaken
 */
export function* tdpMmuZapRoot(kvm: Kvm, cpu: Cpu, root: number, shared: boolean): Steps<void> {
  const rootLevel = roleLevel(spRole(kvm, root));
  yield* rcuReadLock(kvm, cpu);
  // Two passes, so that no single entry takes too much down at once.
  if (rootLevel > KVM_MAX_HUGEPAGE_LEVEL) yield* zapAtLevel(kvm, cpu, root, shared, KVM_MAX_HUGEPAGE_LEVEL);
  yield* zapAtLevel(kvm, cpu, root, shared, rootLevel);
  yield* rcuReadUnlock(kvm, cpu);
}

function* zapAtLevel(kvm: Kvm, cpu: Cpu, root: number, shared: boolean, zapLevel: number): Steps<void> {
  const iter = new TdpIter(kvm, root, zapLevel, 0);
  for (yield* iter.start(cpu); iter.valid; yield* iter.next(cpu)) {
    for (;;) {
      if (yield* tdpMmuIterCondResched(kvm, cpu, iter, false, shared)) break;
      if (!isShadowPresent(iter.lo) || iter.level > zapLevel) break;
      if (!shared) {
        yield* tdpMmuSetSpte(kvm, cpu, iter, 0, 0);
        break;
      }
      if ((yield* tdpMmuSetSpteAtomic(kvm, cpu, iter, 0, 0)) === 0) break;
    }
  }
}
