import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArenaError } from '../../src/arena/errors.ts';
import {
  ACTOR_WORDS,
  computeLayout,
  CONTROL_WORDS,
  DESC_WORDS,
  describeParts,
  formatBytes,
  gfnToIndex,
  HEADER_WORDS,
  KVM_WORDS,
  pagesPerHpage,
  poolWords,
  TLB_ENTRY_WORDS,
  VCPU_WORDS,
  type ArenaDims,
  type Layout,
} from '../../src/arena/layout.ts';
import { FEW_WORDS } from '../support/programs.ts';
import { holds } from '../support/property.ts';

const slots = fc.array(fc.record({ baseGfn: fc.nat(5000), npages: fc.integer({ min: 1, max: 3000 }) }), {
  maxLength: 3,
});
const dimensions: fc.Arbitrary<ArenaDims> = fc.record({
  tableBits: fc.integer({ min: 2, max: 9 }),
  vcpus: fc.integer({ min: 1, max: 9 }),
  shards: fc.integer({ min: 1, max: 5 }),
  actors: fc.integer({ min: 1, max: 20 }),
  hashBits: fc.integer({ min: 1, max: 12 }),
  tables: fc.integer({ min: 1, max: 300 }),
  shadowInfos: fc.nat(50),
  descs: fc.nat(300),
  slots,
  pfns: fc.nat(10_000),
  guestTables: fc.nat(40),
  tlbBits: fc.integer({ min: 0, max: 6 }),
  caches: fc.record({
    objects: fc.integer({ min: 1, max: 60 }),
    splitDesc: fc.integer({ min: 1, max: 600 }),
  }),
});

/** Every region with the words that its users index. */
function regions(layout: Layout): { readonly name: string; readonly from: number; readonly words: number }[] {
  const { dims } = layout;
  const entries = 2 ** dims.tableBits;
  const all: [string, number, number][] = [
    ['control', layout.control, CONTROL_WORDS],
    ['actors', layout.actors, ACTOR_WORDS * dims.actors],
    ['kvm', layout.kvm, KVM_WORDS],
    ['vcpus', layout.vcpus, VCPU_WORDS * dims.vcpus],
    ['pools', layout.pools, 4 * poolWords(dims.actors)],
    ['vCPU caches', layout.vcpuCaches, layout.vcpuCacheWords * dims.vcpus],
    ['split caches', layout.splitCaches, layout.splitCacheWords * dims.shards],
    ['hash', layout.hash, 2 ** dims.hashBits],
    ['tlb', layout.tlb, 3 * TLB_ENTRY_WORDS * 2 ** dims.tlbBits * dims.vcpus],
    ['memory', layout.memory, dims.pfns],
    ['headers', layout.headers, HEADER_WORDS * (dims.tables + 1)],
    ['table owners', layout.tableOwner, dims.tables + 1],
    ['descs', layout.descs, DESC_WORDS * (dims.descs + 1)],
    ['shadow info', layout.shadowInfo, entries * (dims.shadowInfos + 1)],
    ['guest tables', layout.guestTables, 2 * entries * dims.guestTables],
    ['tables', layout.tables, 2 * entries * (dims.tables + 1)],
  ];
  layout.slots.forEach((slot, index) => {
    const { baseGfn, npages } = dims.slots[index]!;
    const heads = (level: number): number =>
      gfnToIndex(baseGfn + npages - 1, baseGfn, level, dims.tableBits) + 1;
    all.push(
      [`flags ${index}`, slot.flags, 2],
      [`write track ${index}`, slot.writeTrack, npages],
      [`dirty ${index}`, slot.dirtyBitmap, 2 * Math.ceil(npages / 64)],
      [`user ${index}`, slot.userBitmap, 2 * Math.ceil(npages / 64)],
      [`destination ${index}`, slot.destination, npages],
    );
    for (const level of [1, 2, 3] as const)
      all.push([`rmap ${level} ${index}`, slot.rmap[level], heads(level)]);
    for (const level of [2, 3] as const)
      all.push([`lpage ${level} ${index}`, slot.lpageInfo[level], heads(level)]);
  });
  return all.map(([name, from, words]) => ({ name, from, words })).sort((a, b) => a.from - b.from);
}

describe('computeLayout', () => {
  it('gives every region its own words, within the arena', () => {
    holds(
      fc.property(dimensions, (dims) => {
        const layout = computeLayout(dims);
        let end = 0;
        for (const { name, from, words } of regions(layout)) {
          if (words === 0) continue;
          if (from < end) throw new Error(`${name} begins at ${from}, inside the region before it`);
          end = from + words;
        }
        expect(end).toBeLessThanOrEqual(layout.words);
      }),
    );
  });

  it('puts 64-bit entries and bitmap words on even words', () => {
    holds(
      fc.property(dimensions, (dims) => {
        const layout = computeLayout(dims);
        const even = [layout.tables, layout.guestTables];
        for (const slot of layout.slots) even.push(slot.dirtyBitmap, slot.userBitmap);
        expect(even.filter((word) => word % 2 !== 0)).toEqual([]);
      }),
    );
  });

  it('accounts for all of its words in the parts it names, but for padding', () => {
    const layout = computeLayout({ ...FEW_WORDS, slots: [{ baseGfn: 3, npages: 7 }] });
    const named = layout.parts.reduce((sum, part) => sum + part.bytes, 0);
    expect(layout.words * 4 - named).toBeGreaterThanOrEqual(0);
    expect(layout.words * 4 - named).toBeLessThan(4 * 40);
    expect(new Set(layout.parts.map((part) => part.name)).size).toBe(layout.parts.length);
  });

  it.each<[Partial<ArenaDims>, string]>([
    [{ tableBits: 1 }, 'tableBits: 1 given, an integer from 2 to 9 is allowed'],
    [{ tableBits: 10 }, 'tableBits: 10 given, an integer from 2 to 9 is allowed'],
    [{ vcpus: 0 }, 'vcpus: 0 given, an integer from 1 to 1024 is allowed'],
    [{ vcpus: 1.5 }, 'vcpus: 1.5 given'],
    [{ shards: 257 }, 'shards: 257 given, an integer from 1 to 256 is allowed'],
    [{ hashBits: 17 }, 'hashBits: 17 given'],
    [{ tlbBits: -1 }, 'tlbBits: -1 given, an integer from 0 to 12 is allowed'],
    [{ slots: [{ baseGfn: 0, npages: 0 }] }, 'slot.npages: 0 given'],
  ])('refuses %j and says what is allowed', (change, message) => {
    expect(() => computeLayout({ ...FEW_WORDS, ...change })).toThrow(ArenaError);
    expect(() => computeLayout({ ...FEW_WORDS, ...change })).toThrow(message);
  });

  it('refuses an arena that indices cannot address, with the sum and its parts, largest first', () => {
    const huge = (): Layout => computeLayout({ ...FEW_WORDS, tableBits: 9, tables: 4_000_000 });
    expect(huge).toThrow(
      /the machine does not fit: 15\.5 GiB needed \(page tables 15\.3 GiB, shadow-page headers .*at most 8 GiB/,
    );
  });

  it('lists parts from the largest to the smallest and leaves empty ones out', () => {
    const text = describeParts(computeLayout({ ...FEW_WORDS, pfns: 5000 }));
    expect(text).toMatch(/needed \(guest memory 19\.5 KiB, /);
    expect(text).not.toMatch(/\b0 B\b/);
  });
});

describe('page arithmetic', () => {
  it.each([
    [1, 9, 1],
    [2, 9, 512],
    [3, 9, 262_144],
    [3, 2, 16],
  ])('has the pages of level %i with %i bits', (level, bits, pages) => {
    expect(pagesPerHpage(level, bits)).toBe(pages);
  });

  it('counts the first, misaligned huge page of a slot as index 0', () => {
    expect(gfnToIndex(510, 510, 2, 9)).toBe(0);
    expect(gfnToIndex(511, 510, 2, 9)).toBe(0);
    expect(gfnToIndex(512, 510, 2, 9)).toBe(1);
    expect(gfnToIndex(0x8000_0200, 0x8000_0000, 2, 9)).toBe(1);
  });

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [2 ** 30, '1 GiB'],
    [5 * 2 ** 50, '5120 TiB'],
  ])('writes %i bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
