/**
 * Which guest page a host page holds. pfns are arbitrary, so a leaf is compared by the gfn of the page it leads to. The
 * answers of the host (`kvm_mmu_spte_requested`) come first, then for guest pages it was never asked for (prefetched
 * ones) the first SPTE that maps them. A page of the host's size moves as a whole: inside it only the offset counts.
 */
import type { Memslot, Recording } from '../recording.ts';
import { isPresent, pfnOf } from '../spte-text.ts';
import { gfnOfEntry } from './expand.ts';

const PAGE = 4096;
const UNITS = { '4k': 1, '2m': 512, thp: 512, '1g': 512 * 512 } as const;
/** A pfn of no page of the guest. */
export const UNKNOWN_GFN = -1;

export class HostMap {
  /** By size of the host page: its first pfn to the gfn that it stands for. */
  private readonly byUnit = new Map<number, Map<number, number>>();
  private readonly known = new Set<number>();
  private readonly slots: ReadonlyArray<{
    readonly first: number;
    readonly end: number;
    readonly unit: number;
  }>;

  constructor(memslots: readonly Memslot[]) {
    this.slots = memslots.map(({ gpa, size, backing }) => ({
      first: gpa / PAGE,
      end: (gpa + size) / PAGE,
      unit: UNITS[backing],
    }));
  }

  private unitOf(gfn: number): number {
    return this.slots.find(({ first, end }) => first <= gfn && gfn < end)?.unit ?? 1;
  }

  /** Whether two pages of the guest are in one page of the host. */
  inOneUnit(gfn: number, other: number): boolean {
    const unit = this.unitOf(gfn);
    return Math.floor(gfn / unit) === Math.floor(other / unit);
  }

  /** The host's word for it. */
  learn(gfn: number, pfn: number): void {
    const unit = this.unitOf(gfn);
    const base = pfn - (gfn % unit);
    if (base % unit !== 0) return;
    let map = this.byUnit.get(unit);
    if (map === undefined) this.byUnit.set(unit, (map = new Map()));
    if (!map.has(base)) map.set(base, gfn - (gfn % unit));
    this.known.add(gfn - (gfn % unit));
  }

  /** An SPTE's word for it, which counts if nothing better is known. */
  suppose(gfn: number, pfn: number): void {
    if (!this.known.has(gfn - (gfn % this.unitOf(gfn)))) this.learn(gfn, pfn);
  }

  gfnOf(pfn: number): number {
    for (const [unit, map] of this.byUnit) {
      const gfn = map.get(pfn - (pfn % unit));
      if (gfn !== undefined) return gfn + (pfn % unit);
    }
    return UNKNOWN_GFN;
  }
}

export function hostMapOf(recording: Recording): HostMap {
  const map = new HostMap(recording.setup.memslots);
  for (const event of recording.events)
    if (event.type === 'kvm_mmu_spte_requested') map.learn(event.gfn, Number.parseInt(event.pfn, 16));
  for (const event of recording.events) {
    if (event.type !== 'kvm_mmu_set_spte') continue;
    const spte = BigInt(`0x${event.spte}`);
    if (isPresent(spte)) map.suppose(event.gfn, Number(pfnOf(spte)));
  }
  for (const snapshot of Object.values(recording.snapshots))
    for (const page of snapshot.shadow_pages)
      for (const entry of page.entries) {
        const gfn = gfnOfEntry(page, entry);
        if (entry.t !== 'leaf' || gfn === undefined) continue;
        const pfn = Number(pfnOf(BigInt(`0x${entry.spte}`)));
        const grow = Number(pfnOf(BigInt(`0x${entry.step ?? '0'}`)));
        const n = entry.n ?? 1;
        if (map.inOneUnit(gfn, gfn + (n - 1) * grow)) map.suppose(gfn, pfn);
        else for (let k = 0; k < n; k++) map.suppose(gfn + k * grow, pfn + k * grow);
      }
  return map;
}
