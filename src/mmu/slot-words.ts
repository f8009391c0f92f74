/** Names of a memslot's words. */
import type { MemSlot } from './memslot.ts';

/** `slot 1 flags`, `dirty bitmap`, `host mapping of gfn 0x41`, `rmap head L2 [3] of slot 1`, ...; undefined for any other word. */
export function nameOfSlotWord(slot: MemSlot, word: number): string | undefined {
  const { layout } = slot;
  const { id } = slot.config;
  const within = (from: number, words: number): boolean => word >= from && word < from + words;
  const gfn = (from: number): string => `gfn 0x${(slot.baseGfn + word - from).toString(16)}`;
  if (word === layout.flags) return `slot ${id} flags`;
  if (word === layout.flags + 1) return `slot ${id} log state`;
  if (within(layout.dirtyBitmap, layout.bitmapWords))
    return `slot ${id} dirty bitmap [${word - layout.dirtyBitmap}]`;
  if (within(layout.userBitmap, layout.bitmapWords))
    return `slot ${id} user bitmap [${word - layout.userBitmap}]`;
  if (within(layout.destination, slot.npages)) return `destination of ${gfn(layout.destination)}`;
  if (within(layout.writeTrack, slot.npages)) return `write tracking of ${gfn(layout.writeTrack)}`;
  if (layout.hostMap !== 0 && within(layout.hostMap, slot.npages))
    return `host mapping of ${gfn(layout.hostMap)}`;
  for (const level of [1, 2, 3] as const) {
    const { rmap, lpageInfo, hostBroken } = layout;
    // The regions follow each other: the rmap heads of the three levels, lpage_info of two, then write tracking.
    const heads = (level === 3 ? lpageInfo[2] : rmap[level + 1]!) - rmap[level];
    if (within(rmap[level], heads)) return `rmap head L${level} [${word - rmap[level]}] of slot ${id}`;
    if (level === 1) continue;
    if (within(lpageInfo[level], heads))
      return `lpage_info L${level} [${word - lpageInfo[level]}] of slot ${id}`;
    if (layout.hostMap !== 0 && within(hostBroken[level], heads))
      return `host page L${level} [${word - hostBroken[level]}] of slot ${id}`;
  }
  return undefined;
}
