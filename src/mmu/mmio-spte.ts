/**
 * The values of MMIO SPTEs (kernel-facts 2.6): an entry that makes hardware exit with an own cause, and that remembers
 * the gfn behind it and the generation of the memslots it was made under. It is not present for KVM (Q23).
 */
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { isShadowPresent, type SpteFormat, sptePfn } from './format.ts';
import { pfnHi, pfnLo } from './spte.ts';

/** EPT: writable and executable but not readable, a misconfiguration. */
const EPT_MISCONFIG_LO = 0x6;
/** NPT: present, with bit 51 set, which is reserved. */
const NPT_PRESENT_LO = 0x1;
const NPT_RESERVED_HI = 1 << 19;

/** The generation lies in bits 3 to 10 and 52 to 62, as in both formats of KVM. */
const GEN_LOW_BITS = 8;
const GEN_LOW_SHIFT = 3;
const GEN_LOW_MASK = ((1 << GEN_LOW_BITS) - 1) << GEN_LOW_SHIFT;
const GEN_HIGH_SHIFT_HI = 20;
const GEN_HIGH_MASK_HI = 0x7ff << GEN_HIGH_SHIFT_HI;

/** What hardware does with such an entry is told by it alone. */
export function isMmioSpte(f: SpteFormat, lo: number, hi: number): boolean {
  if (lo === 0 || isShadowPresent(lo)) return false;
  return f.name === 'ept'
    ? (lo & 7) === EPT_MISCONFIG_LO
    : (lo & NPT_PRESENT_LO) !== 0 && (hi & NPT_RESERVED_HI) !== 0;
}

/** make_mmio_spte(). The value is left in `cpu.lo/hi`. `generation` has at most 19 bits. */
export function makeMmioSpte(f: SpteFormat, cpu: Cpu, gfn: number, generation: number): void {
  const low = (generation << GEN_LOW_SHIFT) & GEN_LOW_MASK;
  const high = (generation >>> GEN_LOW_BITS) << GEN_HIGH_SHIFT_HI;
  cpu.lo = pfnLo(gfn) | low | (f.name === 'ept' ? EPT_MISCONFIG_LO : NPT_PRESENT_LO);
  cpu.hi = pfnHi(gfn) | (high & GEN_HIGH_MASK_HI) | (f.name === 'ept' ? 0 : NPT_RESERVED_HI);
}

/** get_mmio_spte_generation(). */
export function mmioSpteGeneration(lo: number, hi: number): number {
  const high = ((hi & GEN_HIGH_MASK_HI) >>> GEN_HIGH_SHIFT_HI) << GEN_LOW_BITS;
  return ((lo & GEN_LOW_MASK) >>> GEN_LOW_SHIFT) | high;
}

/** get_mmio_spte_gfn(). */
export const mmioSpteGfn = (lo: number, hi: number): number => sptePfn(lo, hi & ~NPT_RESERVED_HI);

/** mmu_spte_clear_no_track(): nothing is remembered of an MMIO SPTE, and no TLB holds it. */
export function* clearMmioSpte(cpu: Cpu, sptep: number): Steps<void> {
  if (cpu.stepped && cpu.stops(Op.Store64, sptep * 2)) yield;
  cpu.store64(sptep, 0, 0);
}
