import { describe, expect, it } from 'vitest';
import { DESC_WORDS } from '../../src/arena/layout.ts';
import { linkCheck } from '../../src/check/links.ts';
import type { Kvm } from '../../src/mmu/kvm.ts';
import { ROLE_INVALID, roleDirect } from '../../src/mmu/role.ts';
import { SP, spGfn, spRole } from '../../src/mmu/shadow-page.ts';
import { spteChildSp } from '../../src/mmu/spte.ts';
import {
  booted,
  brokenIds,
  findEntry,
  findings,
  headerWord,
  livePages,
  migrated,
  type Place,
} from '../support/q-machine.ts';

const AD_DISABLED = 1 << 16;
const ACC_WRITE_IN_ROLE = 2 << 8;

const childOf = (kvm: Kvm, place: Place): number =>
  spteChildSp(kvm, kvm.w[place.word]!, kvm.w[place.word + 1]!);

/** An indirect entry of level 2 or 3 with a direct child. */
const aboveDirect = (kvm: Kvm, level: number): Place =>
  findEntry(kvm, {
    level,
    leaf: false,
    direct: false,
    where: (place) => roleDirect(spRole(kvm, childOf(kvm, place))),
  });

describe('links', () => {
  it('reports nothing about a booted machine and one after a migration', () => {
    expect(findings(booted(), [linkCheck])).toEqual([]);
    expect(findings(migrated(), [linkCheck])).toEqual([]);
  });

  it('Q6 is broken by an entry that points to a free table, to none, or two levels down', () => {
    const free = booted();
    const place = findEntry(free, { level: 3, leaf: false });
    free.arena.put(free.tableOwner + free.w[headerWord(free, childOf(free, place), 'table')]!, 0);
    expect(findings(free).find((finding) => finding.id === 'Q6')?.text).toMatch(
      /^entry \d of page .*, which is free$/,
    );

    const none = booted();
    none.arena.put(place.word, none.w[place.word]! & 0xfff);
    expect(findings(none).find((finding) => finding.id === 'Q6')?.text).toMatch(/, which does not exist$/);

    const level = booted();
    const child = childOf(level, place);
    level.arena.put(headerWord(level, child, 'role'), spRole(level, child) - 1);
    expect(findings(level).find((finding) => finding.id === 'Q6')?.text).toMatch(
      /, which is not one level down$/,
    );
  });

  it('Q7 is broken by a parent entry that no table holds', () => {
    const kvm = booted();
    const place = findEntry(kvm, { level: 2, leaf: true });
    const root = livePages(kvm).find((sp) => kvm.w[kvm.header(sp) + SP.rootCount]! > 0)!;
    kvm.arena.put(headerWord(kvm, root, 'parentPtes'), place.sptep << 1);
    const found = findings(kvm, [linkCheck]);
    expect(found.map((finding) => finding.id)).toEqual(['Q7']);
    expect(found[0]!.text).toMatch(/lists entry \d of page .* as a parent, which does not point to it$/);
  });

  it('Q7 is broken by an entry that its child does not list', () => {
    const kvm = booted();
    const place = findEntry(kvm, { level: 3, leaf: false });
    kvm.arena.put(headerWord(kvm, childOf(kvm, place), 'parentPtes'), 0);
    expect(findings(kvm, [linkCheck]).map((finding) => finding.id)).toEqual(['Q7']);
  });

  it('Q7 is broken by a parent that is listed twice', () => {
    const kvm = migrated();
    const at = taggedParents(kvm).desc;
    kvm.arena.put(at + 3, kvm.w[at + 2]!);
    expect(findings(kvm, [linkCheck]).map((finding) => finding.id)).toEqual(['Q7', 'Q7']);
  });

  it('Q7 is broken by a parent outside all tables', () => {
    const kvm = booted();
    const child = childOf(kvm, findEntry(kvm, { level: 3, leaf: false }));
    kvm.arena.put(headerWord(kvm, child, 'parentPtes'), 2);
    expect(brokenIds(kvm)).toContain('Q7');
  });

  it('Q8 is broken by an entry that points to an invalid page', () => {
    const kvm = booted();
    const child = childOf(kvm, findEntry(kvm, { level: 3, leaf: false }));
    kvm.arena.put(headerWord(kvm, child, 'role'), spRole(kvm, child) | ROLE_INVALID);
    expect(brokenIds(kvm)).toContain('Q8');
  });

  it('Q9 is broken by a child that starts elsewhere than its direct parent says, and by one that is not direct', () => {
    const moved = migrated();
    const child = childOf(moved, findEntry(moved, { level: 2, leaf: false, direct: true }));
    moved.arena.put(headerWord(moved, child, 'gfn'), spGfn(moved, child) + moved.entries);
    expect(brokenIds(moved)).toContain('Q9');
    const indirect = migrated();
    indirect.arena.put(headerWord(indirect, child, 'role'), spRole(indirect, child) & ~(1 << 7));
    expect(brokenIds(indirect)).toContain('Q9');
  });

  it('Q10 is broken by a direct child of another gfn than its indirect entry', () => {
    for (const level of [2, 3]) {
      const kvm = migrated();
      const child = childOf(kvm, aboveDirect(kvm, level));
      kvm.arena.put(headerWord(kvm, child, 'gfn'), spGfn(kvm, child) + kvm.entries);
      expect(brokenIds(kvm)).toContain('Q10');
    }
  });

  it('Q10 is broken by a direct child with an access its indirect entry never had', () => {
    const kvm = migrated();
    const child = childOf(kvm, aboveDirect(kvm, 3));
    kvm.arena.put(headerWord(kvm, child, 'role'), spRole(kvm, child) & ~(1 << 8));
    expect(brokenIds(kvm)).toContain('Q10');
  });

  it('Q10 holds for the child of a fault that found a clean entry dirty: the stored access is of the first leaf', () => {
    const kvm = migrated();
    const stale = findEntry(kvm, {
      level: 2,
      leaf: false,
      direct: false,
      where: (place) => {
        const child = spRole(kvm, childOf(kvm, place));
        const info = kvm.w[headerWord(kvm, place.sp, 'shadowInfo')]!;
        const stored = kvm.w[kvm.shadowInfo + (info << kvm.tableBits) + place.index]!;
        return roleDirect(child) && (stored & 7) !== ((child >> 8) & 7);
      },
    });
    expect(stale.sp).toBeGreaterThan(0);
    expect(findings(kvm, [linkCheck])).toEqual([]);
  });

  it('Q12 is broken by a child whose role differs in more than level, access and directness', () => {
    const kvm = booted();
    const child = childOf(kvm, findEntry(kvm, { level: 3, leaf: false }));
    kvm.arena.put(headerWord(kvm, child, 'role'), spRole(kvm, child) ^ AD_DISABLED);
    expect(brokenIds(kvm)).toContain('Q12');
  });

  it('Q13 is broken by a child that may be written below a parent that may not', () => {
    const kvm = booted();
    const place = findEntry(kvm, { level: 3, leaf: false });
    kvm.arena.put(headerWord(kvm, place.sp, 'role'), spRole(kvm, place.sp) & ~ACC_WRITE_IN_ROLE);
    expect(brokenIds(kvm)).toContain('Q13');
  });

  it('Q21 is broken by a parent list whose descriptor counts no entry, too many, a gap, or comes back', () => {
    for (const corrupt of [
      (kvm: Kvm, at: number) => kvm.arena.put(at + 1, 0),
      (kvm: Kvm, at: number) => kvm.arena.put(at + 1, 15),
      (kvm: Kvm, at: number) => kvm.arena.put(at + 2, 0),
      (kvm: Kvm, at: number) => kvm.arena.put(at, (at - kvm.layout.descs) / DESC_WORDS),
    ]) {
      const kvm = migrated();
      corrupt(kvm, taggedParents(kvm).desc);
      expect(findings(kvm, [linkCheck]).map((finding) => finding.id)).toContain('Q21');
    }
  });
});

/** A page with several parents, and the word of its first descriptor. */
function taggedParents(kvm: Kvm): { sp: number; desc: number } {
  for (const sp of livePages(kvm)) {
    const head = kvm.w[kvm.header(sp) + SP.parentPtes]!;
    if ((head & 1) !== 0) return { sp, desc: kvm.layout.descs + (head >>> 1) * DESC_WORDS };
  }
  throw new Error('no page has several parents');
}
