/** Where the host's actors work: a page of one of their slots, or now and then a huge block. */
import type { Cpu } from '../cpu/cpu.ts';
import { MEMSLOT_GONE, type MemSlot } from '../mmu/memslot.ts';
import { blockAround } from '../mmu/host/range.ts';
import type { Kvm } from '../mmu/kvm.ts';

export interface GfnRange {
  readonly slot: MemSlot;
  readonly start: number;
  readonly end: number;
}

/** How often it is a whole level-2 page. */
const BLOCK_RATE = 0.25;
/** Most pages of one range: x86's 512 would keep an actor busy for a whole schedule. */
const MOST_PAGES = 64;

/** Draws a range of the slots that are there, from the actor's workload. */
export function drawRange(kvm: Kvm, cpu: Cpu, slots: readonly MemSlot[]): GfnRange | undefined {
  const rng = cpu.workload;
  const there = slots.filter(({ flagsWord }) => kvm.arena.bits(flagsWord, MEMSLOT_GONE) === 0);
  if (there.length === 0) return undefined;
  const slot = there[rng.below(there.length)]!;
  const gfn = slot.baseGfn + rng.below(slot.npages);
  if (!rng.chance(BLOCK_RATE)) return { slot, start: gfn, end: gfn + 1 };
  const { start, end } = blockAround(kvm, slot, gfn, 2);
  return { slot, start, end: Math.min(end, start + MOST_PAGES) };
}
