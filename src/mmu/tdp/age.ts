/** kvm_tdp_mmu_age_gfn_range() and kvm_tdp_mmu_test_age_gfn() (kernel-facts A12). */
import type { Cpu } from '../../cpu/cpu.ts';
import type { Steps } from '../../cpu/steps.ts';
import { PG_LEVEL_4K } from '../config.ts';
import { isLastSpte } from '../format.ts';
import { isAccessedSpte } from '../host-page.ts';
import type { Kvm } from '../kvm.ts';
import { adEnabled, markForAccessTrack } from '../spte.ts';
import { TdpIter } from './iter.ts';
import { rcuReadLock, rcuReadUnlock } from './rcu.ts';
import { tdpMmuNextRoot } from './roots.ts';
import { tdpMmuSetSpte, tdpMmuSetSpteAtomic } from './set-spte.ts';

/**
 * Ages the leaves that map gfns of [start, end), or only asks, in all roots; no notifier that ages may sleep, so it never
 * yields.
 * @param shared mmu_lock is held for read, not for write
 * @returns true if one was young
 */
export function* tdpAgeGfnRange(
  kvm: Kvm,
  cpu: Cpu,
  start: number,
  end: number,
  testOnly: boolean,
  shared = false,
): Steps<boolean> {
  let young = false;
  for (
    let root = yield* tdpMmuNextRoot(kvm, cpu, 0, false);
    root !== 0;
    root = yield* tdpMmuNextRoot(kvm, cpu, root, false)
  ) {
    if (young && testOnly) continue;
    yield* rcuReadLock(kvm, cpu);
    const iter = new TdpIter(kvm, root, PG_LEVEL_4K, start);
    for (yield* iter.start(cpu); iter.valid && iter.gfn < end; yield* iter.next(cpu)) {
      if (!isLastSpte(iter.lo, iter.level) || !isAccessedSpte(kvm.format, iter.lo, iter.hi)) continue;
      young = true;
      if (testOnly) break;
      agedValue(kvm, cpu, iter);
      // Who has just changed the entry under a shared lock is using the page: it stays young.
      if (shared) yield* tdpMmuSetSpteAtomic(kvm, cpu, iter, cpu.lo, cpu.hi);
      else yield* tdpMmuSetSpte(kvm, cpu, iter, cpu.lo, cpu.hi);
    }
    yield* rcuReadUnlock(kvm, cpu);
  }
  return young;
}

/** age_gfn_range(): A goes, or all permissions where there is no A. The value is left in `cpu.lo/hi`. */
function agedValue(kvm: Kvm, cpu: Cpu, iter: TdpIter): void {
  cpu.lo = iter.lo;
  cpu.hi = iter.hi;
  if (adEnabled(iter.hi)) cpu.lo &= ~kvm.format.accessedLo;
  else markForAccessTrack(kvm, cpu);
}
