/**
 * SPTEs as the holder of mmu_lock for write may read them without an operation that others could notice. Hardware sets A and D
 * meanwhile, and a fast page fault permissions (spte_has_volatile_bits(), kernel-facts 5.6); whoever goes by those loads the
 * entry for all to see.
 */
import { isShadowPresent, SPTE_MMU_PRESENT, SPTE_PS } from './format.ts';
import type { Kvm } from './kvm.ts';

/** What nobody else changes of a present entry: that it is one, its size and its frame. */
const HELD_LO = ~0xfff | SPTE_PS | SPTE_MMU_PRESENT;
const HELD_HI = 0xfffff;

/** The lower half without what others may change; all of it if the entry is not present. */
export function heldLo({ arena }: Kvm, sptep: number): number {
  const held = arena.bits(sptep * 2, HELD_LO);
  return isShadowPresent(held) ? held : arena.w[sptep * 2]!;
}

/** The upper half likewise. */
export function heldHi({ arena }: Kvm, sptep: number): number {
  const present = isShadowPresent(arena.bits(sptep * 2, SPTE_MMU_PRESENT));
  return present ? arena.bits(sptep * 2 + 1, HELD_HI) : arena.w[sptep * 2 + 1]!;
}
