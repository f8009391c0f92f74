/**
 * What the host's own page inherits when an SPTE value goes (kernel-facts Q47): kvm_set_pfn_dirty() and
 * kvm_set_pfn_accessed(). Without it the host would drop a page that a guest wrote, or take it for idle.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { isShadowPresent, isWritable, sptePfn, type SpteFormat } from './format.ts';
import type { Kvm } from './kvm.ts';
import { adEnabled } from './spte.ts';

/** is_dirty_spte(): D, or W where hardware keeps no D. */
export const isDirtySpte = (f: SpteFormat, lo: number, hi: number): boolean =>
  isShadowPresent(lo) && (adEnabled(hi) ? (lo & f.dirtyLo) !== 0 : isWritable(lo));

/** is_accessed_spte(): A, or, where hardware keeps no A, not marked for access tracking. */
export const isAccessedSpte = (f: SpteFormat, lo: number, hi: number): boolean =>
  isShadowPresent(lo) && (adEnabled(hi) ? (lo & f.accessedLo) !== 0 : (lo & 7) !== 0);

export interface HostPageSteps {
  /** The leaf at `sptep`, as the atomic operation found it, has become (lo, hi). */
  hostPageInherits(
    kvm: Kvm,
    cpu: Cpu,
    sptep: number,
    oldLo: number,
    oldHi: number,
    lo: number,
    hi: number,
  ): void;
}

export const HOST_PAGE_STEPS: HostPageSteps = {
  hostPageInherits(kvm, cpu, sptep, oldLo, oldHi, lo, hi) {
    const f = kvm.format;
    const samePage = isShadowPresent(lo) && sptePfn(oldLo, oldHi) === sptePfn(lo, hi);
    if (isDirtySpte(f, oldLo, oldHi) && !(samePage && isDirtySpte(f, lo, hi))) {
      kvm.observer.hostPageInherits(cpu, sptep, oldLo, oldHi, true);
    }
    if (isAccessedSpte(f, oldLo, oldHi) && !(samePage && isAccessedSpte(f, lo, hi))) {
      kvm.observer.hostPageInherits(cpu, sptep, oldLo, oldHi, false);
    }
  },
};
