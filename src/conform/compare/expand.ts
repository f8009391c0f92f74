/** The runs of a recording written out. */
import type { Entry, Rmap, ShadowPage, Slot } from '../snapshots.ts';

const ENTRIES = 512;
const PAGE = 4096n;

/** 4 KiB pages that an entry of the level stands for. */
export const pagesOf = (level: number): number => ENTRIES ** (level - 1);

/** The gfn that a leaf (the first of a run) maps by the place it stands at, or as KVM remembers it. */
export function gfnOfEntry(page: ShadowPage, entry: Entry): number | undefined {
  if (entry.gfn !== undefined) return entry.gfn;
  return page.role.direct === 1 ? page.gfn + entry.i * pagesOf(page.role.level) : undefined;
}

export interface ExpandedEntry {
  readonly t: Entry['t'];
  readonly spte: bigint;
  readonly child: string | undefined;
  /** Remembered by pages that are not direct. */
  readonly gfn: number | undefined;
  readonly access: number | undefined;
}

/** By index; undefined: zero. */
export function expandEntries(page: ShadowPage): ReadonlyArray<ExpandedEntry | undefined> {
  const all = Array.from<ExpandedEntry | undefined>({ length: ENTRIES });
  for (const { i, t, spte, n = 1, step = '0', child, gfn, access } of page.entries) {
    const first = BigInt(`0x${spte}`);
    const grow = BigInt(`0x${step}`);
    // Where the run's pages follow each other, so do the guest's.
    const gfnStep = Number(grow / PAGE);
    for (let k = 0; k < n; k++)
      all[i + k] = {
        t,
        spte: first + grow * BigInt(k),
        child,
        gfn: gfn === undefined ? undefined : gfn + k * gfnStep,
        access,
      };
  }
  return all;
}

/** One rmap: the list of its run, with `shift` to be added to every index. */
export interface ExpandedRmap {
  readonly list: Rmap['list'];
  readonly shift: number;
  readonly descs: readonly number[];
}

/** By gfn. */
export function expandRmaps(slot: Slot, level: 1 | 2 | 3): ReadonlyMap<number, ExpandedRmap> {
  const all = new Map<number, ExpandedRmap>();
  for (const { gfn, n, list, descs } of slot.rmaps[`${level}`])
    for (let shift = 0; shift < n; shift++) all.set(gfn + shift * pagesOf(level), { list, shift, descs });
  return all;
}
