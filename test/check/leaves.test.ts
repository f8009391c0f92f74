import { describe, expect, it } from 'vitest';
import { leafCheck } from '../../src/check/leaves.ts';
import { ACC_TRACK_SHIFT_HI, SPTE_W } from '../../src/mmu/format.ts';
import type { Kvm } from '../../src/mmu/kvm.ts';
import { KVM_MEM_READONLY } from '../../src/mmu/memslot.ts';
import {
  booted,
  findEntry,
  findings,
  headerWord,
  livePages,
  migrated,
  type Place,
} from '../support/q-machine.ts';

const ids = (kvm: Kvm): string[] => findings(kvm, [leafCheck]).map((finding) => finding.id);
const huge = (kvm: Kvm): Place =>
  findEntry(kvm, { level: 2, leaf: true, where: (place) => (kvm.w[place.word]! & SPTE_W) !== 0 });
const small = (kvm: Kvm): Place => findEntry(kvm, { level: 1, leaf: true });

/** Flips bits of an entry. */
function flip(kvm: Kvm, place: Place, lo: number, hi = 0): void {
  kvm.arena.put(place.word, kvm.w[place.word]! ^ lo);
  kvm.arena.put(place.word + 1, kvm.w[place.word + 1]! ^ hi);
}

/** The word of an indirect page's stored translation. */
const storedWord = (kvm: Kvm, place: Place): number =>
  kvm.shadowInfo + (kvm.w[headerWord(kvm, place.sp, 'shadowInfo')]! << kvm.tableBits) + place.index;

describe.each(['ept', 'npt'])('leaves in %s format', (format) => {
  it('reports nothing about a booted machine and one after a migration', () => {
    expect(ids(booted({ format }))).toEqual([]);
    expect(ids(migrated({ format }))).toEqual([]);
    expect(ids(migrated({ format, nx: true, execFraction: 0.5, l1AdBits: false }))).toEqual([]);
  });

  it('Q24 is broken by a leaf that maps the next frame', () => {
    const kvm = booted({ format });
    const place = small(kvm);
    flip(kvm, place, 0x1000);
    const found = findings(kvm, [leafCheck]);
    expect(found.map((finding) => finding.id)).toEqual(['Q24']);
    expect(found[0]!.text).toMatch(
      /^entry \d of page \d+ \(L1 indirect rwx, gfn 0x\w+\) is 0x\w{16} for gfn (0x\w+): frame 0x\w+, and the host has \1 there$/,
    );
  });

  it('Q25 is broken by a huge leaf that is not aligned', () => {
    const kvm = booted({ format });
    flip(kvm, huge(kvm), 0x1000);
    expect(ids(kvm)).toEqual(['Q24', 'Q25']);
    const gfn = booted({ format });
    const word = storedWord(gfn, huge(gfn));
    gfn.arena.put(word, gfn.w[word]! ^ (1 << 3));
    expect(ids(gfn)).toContain('Q25');
  });

  it('Q25 is broken by a leaf outside all memslots or larger than the host page', () => {
    const outside = booted({ format });
    outside.arena.put(storedWord(outside, huge(outside)), (0x4000 << 3) | 7);
    expect(ids(outside)).toContain('Q25');
    const large = booted({ format, backing: '4k' });
    flip(large, findEntry(large, { level: 2, leaf: false, direct: false }), 0x80);
    expect(ids(large)).toContain('Q25');
  });

  it('Q27 is broken by W without MMU-writable and by MMU-writable without host-writable', () => {
    const mmu = booted({ format });
    flip(mmu, huge(mmu), mmu.format.mmuWritableLo, mmu.format.mmuWritableHi);
    expect(ids(mmu)).toEqual(['Q27']);
    const host = booted({ format });
    flip(host, huge(host), host.format.hostWritableLo, host.format.hostWritableHi);
    expect(ids(host)).toEqual(['Q27']);
  });

  it('Q28 is broken by W where the stored access has no write, and by an access beyond that of the page', () => {
    const write = booted({ format });
    const word = storedWord(write, huge(write));
    write.arena.put(word, write.w[word]! & ~2);
    expect(ids(write)).toEqual(['Q28']);
    const beyond = booted({ format });
    const { sp } = small(beyond);
    beyond.arena.put(headerWord(beyond, sp, 'role'), beyond.w[headerWord(beyond, sp, 'role')]! & ~(1 << 8));
    expect(ids(beyond)).toContain('Q28');
  });

  it('Q29 is broken by a host-writable leaf in a read-only slot', () => {
    const kvm = booted({ format });
    kvm.arena.put(kvm.slots[1]!.flagsWord, KVM_MEM_READONLY);
    expect(new Set(ids(kvm))).toEqual(new Set(['Q29']));
  });

  it('Q30 is broken by a reserved bit in either half', () => {
    const high = booted({ format });
    flip(high, huge(high), 0, 1 << 28);
    expect(ids(high)).toEqual(['Q30']);
    const low = booted({ format });
    flip(low, huge(low), format === 'ept' ? 0x400 : 0x8);
    expect(ids(low)).toEqual(['Q30']);
  });

  it('Q30 is broken by the page-size bit at level 1', () => {
    const kvm = booted({ format });
    flip(kvm, small(kvm), 0x80);
    expect(ids(kvm)).toEqual(['Q30']);
  });

  it('Q32 is broken by an executable huge leaf with the mitigation on, and not by a small one', () => {
    const kvm = booted({ format, nx: true });
    expect(ids(kvm)).toEqual([]);
    flip(kvm, huge(kvm), kvm.format.execLo, kvm.format.nxHi);
    expect(ids(kvm)).toEqual(['Q32']);
  });
});

describe('leaves', () => {
  it('Q30 is broken by another memory type and by an entry that is writable and not readable', () => {
    const type = booted();
    flip(type, huge(type), 0x30);
    expect(ids(type)).toEqual(['Q30']);
    const misconfigured = booted();
    flip(misconfigured, huge(misconfigured), 0x1);
    expect(ids(misconfigured)).toEqual(['Q30']);
  });

  it('Q32 is broken by a huge leaf that is executable once access tracking ends', () => {
    const kvm = booted({ nx: true });
    flip(kvm, huge(kvm), 0, 4 << ACC_TRACK_SHIFT_HI);
    expect(ids(kvm)).toEqual(['Q32']);
  });

  it('reports at most sixteen leaves for one id', () => {
    const kvm = migrated();
    for (const sp of livePages(kvm)) kvm.arena.put(headerWord(kvm, sp, 'gfn'), 0);
    expect(ids(kvm).filter((id) => id === 'Q24')).toHaveLength(16);
  });
});
