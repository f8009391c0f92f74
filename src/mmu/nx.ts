/** The NX recovery worker: zaps a share of the nx-disallowed pages per period (kernel-facts A20, 2.4, B-22, B-54). */
import { C } from '../cpu/counters.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { flushRemoteTlbs } from './flush.ts';
import { KVM, type Kvm } from './kvm.ts';
import { needResched, rwlockNeedbreak, yieldMmuLock } from './resched.ts';
import { isNxDisallowed, unaccountHugeNxPage } from './nx-list.ts';
import { SP } from './shadow-page.ts';
import { commitZap, prepareZap } from './shadow/zap.ts';
import { isTdpSp } from './tdp/pages.ts';
import { rcuDrain, rcuReadLock, rcuReadUnlock } from './tdp/rcu.ts';
import { tdpMmuZapSp } from './tdp/zap.ts';
import { hasTdpRoots } from './tdp/present.ts';
import { srcuWorkerLock, srcuWorkerUnlock } from './vcpu.ts';

export { accountHugeNxPage, unaccountHugeNxPage } from './nx-list.ts';

/** What the worker has zapped and still owes. */
export interface NxRecovery {
  /** Shadow pages to be committed. */
  readonly invalid: number[];
  /** Leaves or tables of the TDP MMU went, and no flush has followed. */
  tdpFlush: boolean;
}

/** kvm_mmu_remote_flush_or_zap(): pages of the shadow MMU are freed behind a flush, else the flush alone. */
export function* remoteFlushOrZap(kvm: Kvm, cpu: Cpu, owed: NxRecovery): Steps<void> {
  if (owed.invalid.length > 0) yield* commitZap(kvm, cpu, owed.invalid);
  else if (owed.tdpFlush) yield* flushRemoteTlbs(kvm, cpu, 'nx-recovery');
  owed.tdpFlush = false;
}

/**
 * One wakeup of the worker (A20): zaps the oldest `ceil(count / ratio)` pages of the list, so that the next fault can
 * map huge again. Flushes before each yield and at the end (B-22, B-54).
 * @returns pages zapped
 */
export function* recoverNxHugePages(kvm: Kvm, cpu: Cpu): Steps<number> {
  const ratio = kvm.config.nxRecoveryRatio;
  const { engine } = kvm;
  // Pages of the TDP MMU, and the flush for them, need an RCU read section (B-22).
  const rcu = hasTdpRoots(kvm);
  yield* srcuWorkerLock(kvm, cpu);
  yield* kvm.writeLock(cpu);
  if (rcu) yield* rcuReadLock(kvm, cpu);
  const owed: NxRecovery = { invalid: [], tdpFlush: false };
  let left = ratio === 0 ? 0 : Math.ceil(kvm.get(KVM.nxCount) / ratio);
  let zapped = 0;
  for (; left > 0; left--) {
    const sp = kvm.get(KVM.nxHead);
    if (sp === 0) break;
    if (engine.nxRecoverySkips(kvm, sp)) unaccountHugeNxPage(kvm, sp);
    else {
      kvm.observer.nxRecovers(cpu, sp);
      if (isTdpSp(kvm, sp)) {
        if (yield* tdpMmuZapSp(kvm, cpu, sp)) owed.tdpFlush = true;
      } else yield* prepareZap(kvm, cpu, sp, owed.invalid);
      if (isNxDisallowed(kvm, sp)) {
        kvm.observer.broken(cpu, {
          id: 'Q33',
          text: `shadow page ${sp} was recovered and is still marked nx-disallowed`,
          words: [kvm.header(sp) + SP.flags],
        });
        unaccountHugeNxPage(kvm, sp);
      }
      cpu.count(C.nxRecovered);
      zapped++;
    }
    if (kvm.needbreakVisible && cpu.stepped && cpu.stops(Op.Load, kvm.mmuLock.waitLock)) yield;
    const contended = rwlockNeedbreak(kvm, cpu);
    if (needResched(kvm, cpu) || contended) {
      yield* engine.nxRecoveryBeforeYield(kvm, cpu, owed);
      if (rcu) yield* rcuReadUnlock(kvm, cpu);
      yield* yieldMmuLock(kvm, cpu);
      if (rcu) yield* rcuReadLock(kvm, cpu);
    }
  }
  yield* engine.nxRecoveryAtEnd(kvm, cpu, owed);
  if (rcu) yield* rcuReadUnlock(kvm, cpu);
  yield* kvm.writeUnlock(cpu);
  yield* srcuWorkerUnlock(kvm, cpu);
  if (rcu) yield* rcuDrain(kvm, cpu);
  return zapped;
}
