/** What an entry maps, whatever stands there now: the question behind every flush that was left out (kernel-facts 5.6). */
import { isLarge, isShadowPresent, sptePfn } from '../mmu/format.ts';
import type { Kvm } from '../mmu/kvm.ts';

/**
 * True if the entry at `sptep`, of a table of `level`, translates every page under it to consecutive frames from `pfn` on.
 * A table below is looked through; anything missing or out of line makes it false.
 */
export function covers(kvm: Kvm, sptep: number, level: number, pfn: number): boolean {
  const lo = kvm.w[sptep * 2]!;
  const hi = kvm.w[sptep * 2 + 1]!;
  if (!isShadowPresent(lo)) return false;
  if (level === 1 || isLarge(lo)) return sptePfn(lo, hi) === pfn;
  const table = sptePfn(lo, hi) - kvm.tablePfnBase;
  if (table <= 0 || table > kvm.layout.dims.tables) return false;
  const first = kvm.tablesQ + (table << kvm.tableBits);
  const step = kvm.pages(level - 1);
  for (let i = 0; i < kvm.entries; i++) {
    if (!covers(kvm, first + i, level - 1, pfn + i * step)) return false;
  }
  return true;
}
