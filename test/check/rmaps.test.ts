import { describe, expect, it } from 'vitest';
import { DESC_WORDS } from '../../src/arena/layout.ts';
import { rmapCheck } from '../../src/check/rmaps.ts';
import { Kvm } from '../../src/mmu/kvm.ts';
import { roleLevel } from '../../src/mmu/role.ts';
import { pageGetGfn, spRole } from '../../src/mmu/shadow-page.ts';
import { booted, brokenIds, findEntry, findings, migrated, type Place } from '../support/q-machine.ts';

/** The rmap head a leaf belongs to. */
function headOf(kvm: Kvm, place: Place): number {
  const gfn = pageGetGfn(kvm, place.sp, place.index);
  return kvm.slotOf(gfn)!.rmapWord(gfn, roleLevel(spRole(kvm, place.sp)));
}

/** A leaf whose head names only it. */
const alone = (kvm: Kvm, level = 1): Place =>
  findEntry(kvm, { level, leaf: true, where: (place) => (kvm.w[headOf(kvm, place)]! & 1) === 0 });

/** A head with a descriptor, and the word of that. */
function shared(kvm: Kvm): { head: number; desc: number } {
  const place = findEntry(kvm, { level: 2, leaf: true, where: (at) => (kvm.w[headOf(kvm, at)]! & 1) !== 0 });
  const head = headOf(kvm, place);
  return { head, desc: kvm.layout.descs + (kvm.w[head]! >>> 1) * DESC_WORDS };
}

const ids = (kvm: Kvm): string[] => findings(kvm, [rmapCheck]).map((finding) => finding.id);

describe('reverse maps', () => {
  it('reports nothing about a booted machine and one after a migration', () => {
    expect(ids(booted())).toEqual([]);
    expect(ids(migrated())).toEqual([]);
  });

  it('Q19 is broken by a leaf that its reverse map does not name', () => {
    const kvm = booted();
    const place = alone(kvm);
    kvm.arena.put(headOf(kvm, place), 0);
    const found = findings(kvm, [rmapCheck]);
    expect(found.map((finding) => finding.id)).toEqual(['Q19']);
    expect(found[0]!.text).toMatch(/maps gfn 0x[0-9a-f]+, and the rmap of that gfn does not name it$/);
    expect(found[0]!.words).toContain(place.word);
  });

  it('Q19 and Q21 are broken by a leaf that its reverse map names twice', () => {
    const kvm = booted();
    const { desc } = shared(kvm);
    kvm.arena.put(desc + 2, kvm.w[desc + 3]!);
    expect(ids(kvm).sort()).toEqual(['Q19', 'Q19', 'Q21']);
  });

  it('Q20 is broken by an entry that maps another gfn', () => {
    const kvm = booted();
    const place = alone(kvm);
    const other = findEntry(kvm, {
      level: 2,
      leaf: true,
      where: (at) => headOf(kvm, at) !== headOf(kvm, place),
    });
    kvm.arena.put(headOf(kvm, place), other.sptep << 1);
    expect(ids(kvm)).toContain('Q20');
  });

  it('Q20 is broken by an entry that is a table, of a free page, or outside all tables', () => {
    for (const sptepOf of [
      (kvm: Kvm) => findEntry(kvm, { level: 3, leaf: false }).sptep,
      (kvm: Kvm) => kvm.tablesQ + (kvm.layout.dims.tables << kvm.tableBits),
      () => 1,
    ]) {
      const kvm = booted();
      kvm.arena.put(headOf(kvm, alone(kvm)), sptepOf(kvm) << 1);
      expect(ids(kvm)).toContain('Q20');
    }
  });

  it('Q20 is broken by a level-1 leaf with the page-size bit', () => {
    const kvm = booted();
    const place = alone(kvm);
    kvm.arena.put(place.word, kvm.w[place.word]! | 0x80);
    expect(brokenIds(kvm)).toContain('Q20');
  });

  it('Q21 is broken by a descriptor that counts no entry, too many, has a gap, comes back or does not exist', () => {
    for (const corrupt of [
      (kvm: Kvm, at: number) => kvm.arena.put(at + 1, 0),
      (kvm: Kvm, at: number) => kvm.arena.put(at + 1, 15),
      (kvm: Kvm, at: number) => kvm.arena.put(at + 2, 0),
      (kvm: Kvm, at: number) => kvm.arena.put(at, (at - kvm.layout.descs) / DESC_WORDS),
      (kvm: Kvm, at: number) => kvm.arena.put(at, 1 << 20),
      (kvm: Kvm, at: number) => kvm.arena.put(at, -1),
    ]) {
      const kvm = booted();
      corrupt(kvm, shared(kvm).desc);
      expect(ids(kvm)).toContain('Q21');
    }
  });

  it('Q21 is broken by a tagged head without a descriptor', () => {
    const kvm = booted();
    kvm.arena.put(headOf(kvm, alone(kvm)), 1);
    expect(ids(kvm)).toContain('Q21');
  });

  it('Q22 is broken by a head with two entries more than the threshold, and not by one', () => {
    const kvm = booted();
    const entries = kvm.w[shared(kvm).desc + 1]!;
    const withThreshold = (recycleThreshold: number): Kvm =>
      new Kvm({ ...kvm.config, recycleThreshold }, kvm.arena, kvm.engine);
    expect(ids(withThreshold(entries - 1))).toEqual([]);
    expect(ids(withThreshold(entries - 2))).toEqual(['Q22']);
  });

  it('Q23 is broken by an entry that is not present', () => {
    const kvm = booted();
    const place = alone(kvm);
    kvm.arena.put(place.word, 0);
    kvm.arena.put(place.word + 1, 0);
    expect(ids(kvm)).toEqual(['Q23']);
  });

  it('Q23 is broken by an MMIO entry', () => {
    const kvm = booted();
    const place = alone(kvm);
    kvm.arena.put(place.word, 0x6);
    expect(ids(kvm)).toEqual(['Q23']);
  });
});
