/** kvm_tdp_mmu_set_spte_gfn(), for the notifier that tells of a changed pte (kernel-facts A11). */
import type { Cpu } from '../../cpu/cpu.ts';
import type { Steps } from '../../cpu/steps.ts';
import { PG_LEVEL_4K } from '../config.ts';
import { isLastSpte } from '../format.ts';
import type { Kvm } from '../kvm.ts';
import { TdpIter } from './iter.ts';
import { rcuReadLock, rcuReadUnlock } from './rcu.ts';
import { tdpRoots } from './roots.ts';
import { tdpMmuSetSpte } from './set-spte.ts';

/**
 * The leaves of `gfn` in all roots are zapped, or if the new pte is not writable map `pfn` read-only. A leaf goes to 0 in
 * between: in place no leaf changes its frame. The host maps the page as 4 KiB, so no leaf is larger. mmu_lock is held for
 * write.
 * @returns true if there was one: a flush is owed
 */
export function* tdpSetSpteGfn(
  kvm: Kvm,
  cpu: Cpu,
  gfn: number,
  pfn: number,
  writable: boolean,
): Steps<boolean> {
  let changed = false;
  for (const root of tdpRoots(kvm)) {
    yield* rcuReadLock(kvm, cpu);
    const iter = new TdpIter(kvm, root, PG_LEVEL_4K, gfn);
    for (yield* iter.start(cpu); iter.valid && iter.gfn <= gfn; yield* iter.next(cpu)) {
      if (iter.level !== PG_LEVEL_4K || !isLastSpte(iter.lo, iter.level)) continue;
      yield* tdpMmuSetSpte(kvm, cpu, iter, 0, 0);
      changed = true;
      if (writable) continue;
      kvm.engine.changedPteSpte(kvm, cpu, iter.lo, iter.hi, pfn);
      const { lo, hi } = cpu;
      iter.lo = 0;
      iter.hi = 0;
      yield* tdpMmuSetSpte(kvm, cpu, iter, lo, hi);
    }
    yield* rcuReadUnlock(kvm, cpu);
  }
  return changed;
}
