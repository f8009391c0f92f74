/** Taking a huge page out of the way of a fault that must map a smaller one (kernel-facts 4.5). */
import type { Steps } from '../../cpu/steps.ts';
import type { Fault } from '../shadow/set-spte.ts';
import type { Vcpu } from '../vcpu.ts';
import type { TdpIter } from './iter.ts';
import { tdpMmuAllocSp, tdpMmuFreeSp } from './pages.ts';
import { tdpMmuZapSpteAtomic } from './set-spte.ts';
import { splitHugePage } from './split.ts';

/**
 * Default of `Engine.tdpShrinkHuge`: the page is zapped behind a flush, and the fault goes on as if there had been nothing.
 * False if somebody changed the entry.
 */
export function* tdpShrinkByZap({ kvm, cpu }: Vcpu, _fault: Fault, iter: TdpIter): Steps<boolean> {
  if ((yield* tdpMmuZapSpteAtomic(kvm, cpu, iter)) !== 0) return false;
  yield* iter.reload(cpu);
  return true;
}

/** As since 6.2 (c4b33d28ea51): split in place, without a flush. */
export function* tdpShrinkBySplit(vcpu: Vcpu, fault: Fault, iter: TdpIter): Steps<boolean> {
  const { kvm, cpu } = vcpu;
  const sp = tdpMmuAllocSp(vcpu);
  const accountNx = fault.hugePageDisallowed && fault.reqLevel >= iter.level;
  const link = accountNx ? kvm.engine.tdpLinkNxSp : undefined;
  if ((yield* splitHugePage(kvm, cpu, iter, sp, true, link)) !== 0) {
    tdpMmuFreeSp(kvm, sp);
    return false;
  }
  yield* iter.reload(cpu);
  return true;
}
