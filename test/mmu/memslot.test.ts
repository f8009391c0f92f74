import { describe, expect, it } from 'vitest';
import { Arena } from '../../src/arena/arena.ts';
import { computeLayout } from '../../src/arena/layout.ts';
import { defaultMmuPages, type SlotConfig } from '../../src/mmu/config.ts';
import { MemSlot } from '../../src/mmu/memslot.ts';
import { FEW_WORDS } from '../support/programs.ts';

/** tableBits 2: a 2M page is 4 pages, a 1G page 16. */
function slotOf(change: Partial<SlotConfig> = {}): { slot: MemSlot; arena: Arena } {
  const config: SlotConfig = {
    id: 1,
    baseGfn: 32,
    npages: 48,
    backing: 3,
    basePfn: 160,
    readonly: false,
    hvaMisaligned: false,
    ...change,
  };
  const arena = Arena.tracked(computeLayout({ ...FEW_WORDS, slots: [config] }));
  const slot = new MemSlot(config, arena.layout.slots[0]!, 2, arena);
  slot.initLpageInfo();
  return { slot, arena };
}

describe('a memslot', () => {
  it('maps gfns linearly to frames', () => {
    const { slot } = slotOf();
    expect([slot.pfn(32), slot.pfn(79)]).toEqual([160, 207]);
  });

  it('has one rmap head for each page of each level, none of them shared', () => {
    const { slot } = slotOf();
    const heads = new Set<number>();
    for (const level of [1, 2, 3]) for (let gfn = 32; gfn < 80; gfn++) heads.add(slot.rmapWord(gfn, level));
    expect(heads.size).toBe(48 + 12 + 3);
    expect(slot.rmapWord(36, 2)).toBe(slot.rmapWord(39, 2));
    expect(slot.rmapWord(40, 2)).toBe(slot.rmapWord(36, 2) + 1);
  });

  it('allows the largest page that the host has and the walk asks for', () => {
    const { slot } = slotOf();
    expect([1, 2, 3, 5].map((max) => slot.maxMappingLevel(40, max))).toEqual([1, 2, 3, 3]);
    expect(slotOf({ backing: 2 }).slot.maxMappingLevel(40, 3)).toBe(2);
    expect(slotOf({ backing: 1 }).slot.maxMappingLevel(40, 3)).toBe(1);
  });

  it('forbids huge pages that stick out at its head and at its tail, and no others', () => {
    // Slot [34, 78): 2M pages 32..35 and 76..79 stick out, 1G pages 32..47 and 64..79 too.
    const { slot } = slotOf({ baseGfn: 34, npages: 44, basePfn: 162 });
    const levels = [34, 35, 36, 47, 48, 63, 64, 75, 76, 77].map((gfn) => slot.maxMappingLevel(gfn, 3));
    expect(levels).toEqual([1, 1, 2, 2, 3, 3, 2, 2, 1, 1]);
  });

  it('has no huge page at all if gfn and host address are not congruent', () => {
    const { slot } = slotOf({ hvaMisaligned: true });
    expect(new Set(Array.from({ length: 48 }, (_, i) => slot.maxMappingLevel(32 + i, 3)))).toEqual(
      new Set([1]),
    );
  });

  it('counts the reasons against a huge page: it comes back after the last of them', () => {
    const { slot } = slotOf();
    slot.adjustDisallowLpage(41, 1);
    slot.adjustDisallowLpage(42, 1);
    expect([41, 44, 48].map((gfn) => slot.maxMappingLevel(gfn, 3))).toEqual([1, 2, 3]);
    slot.adjustDisallowLpage(41, -1);
    expect(slot.maxMappingLevel(41, 3)).toBe(1);
    slot.adjustDisallowLpage(42, -1);
    expect(slot.maxMappingLevel(41, 3)).toBe(3);
  });

  it('tracks writes for each page of its own', () => {
    const { slot } = slotOf();
    expect(slot.writeTrackWord(79) - slot.writeTrackWord(32)).toBe(47);
  });
});

describe('the default page limit', () => {
  it.each([
    [[{ npages: 100 }], 64],
    [[{ npages: 3200 }], 64],
    [[{ npages: 3250 }], 65],
    [[{ npages: 2000 }, { npages: 262_144 }], 5282],
  ])('of %j is %i: 2 %% of the pages, at least 64', (slots, expected) => {
    expect(defaultMmuPages(slots)).toBe(expected);
  });
});
