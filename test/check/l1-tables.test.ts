import { describe, expect, it } from 'vitest';
import { goneSlotCheck } from '../../src/check/gone-slots.ts';
import { leafCheck } from '../../src/check/leaves.ts';
import { guestWrites, syncedCheck } from '../../src/check/synced.ts';
import { unsyncCheck } from '../../src/check/unsync.ts';
import { PlainCpu, RunLog } from '../../src/cpu/plain-cpu.ts';
import { accountHugeNxPage } from '../../src/mmu/nx-list.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import { MEMSLOT_GONE } from '../../src/mmu/memslot.ts';
import { roleDirect, roleLevel } from '../../src/mmu/role.ts';
import { SP, SP_NX_DISALLOWED, SP_UNSYNC, spRole } from '../../src/mmu/shadow-page.ts';
import { booted, findEntry, findings, livePages, migrated, type Place } from '../support/q-machine.ts';

const unsync = (kvm: Kvm): string[] => findings(kvm, [unsyncCheck]).map(({ id }) => id);
const synced = (kvm: Kvm): string[] => findings(kvm, [syncedCheck]).map(({ id }) => id);

const flagsOf = (kvm: Kvm, sp: number): number => kvm.header(sp) + SP.flags;

/** A level-1 page that shadows one of L1's tables, and the entry of its parent. */
function levelOne(kvm: Kvm): { sp: number; parent: Place } {
  const parent = findEntry(kvm, { level: 2, leaf: false, direct: false });
  const child = livePages(kvm).find(
    (sp) =>
      kvm.w[kvm.header(sp) + SP.parentPtes]! >>> 1 === parent.sptep &&
      roleLevel(spRole(kvm, sp)) === 1 &&
      !roleDirect(spRole(kvm, sp)),
  );
  if (child === undefined) throw new Error('no shadowed level-1 table');
  return { sp: child, parent };
}

describe('unsync pages', () => {
  /** Marks the page and every ancestor as kvm_mmu_mark_parents_unsync() does. */
  function makeUnsync(kvm: Kvm, sp: number): void {
    kvm.w[flagsOf(kvm, sp)]! |= SP_UNSYNC;
    for (let page = sp; ;) {
      const sptep = kvm.w[kvm.header(page) + SP.parentPtes]! >>> 1;
      if (sptep === 0) return;
      page = kvm.w[kvm.tableOwner + ((sptep - kvm.tablesQ) >> kvm.tableBits)]!;
      const header = kvm.header(page);
      const bitmap = kvm.layout.unsyncBitmaps + kvm.w[header + SP.shadowInfo]! * kvm.layout.unsyncWords;
      kvm.w[bitmap]! |= 1 << ((sptep - kvm.tablesQ) & (kvm.entries - 1));
      kvm.w[header + SP.unsyncChildren]!++;
    }
  }

  it('are marked in all of their ancestors (Q17)', () => {
    const kvm = booted();
    const { sp, parent } = levelOne(kvm);
    expect(unsync(kvm)).toEqual([]);
    makeUnsync(kvm, sp);
    expect(unsync(kvm)).toEqual([]);
    const header = kvm.header(parent.sp);
    const bitmap = kvm.layout.unsyncBitmaps + kvm.w[header + SP.shadowInfo]! * kvm.layout.unsyncWords;
    kvm.w[bitmap]! &= ~(1 << parent.index);
    expect(unsync(kvm)).toEqual(['Q17', 'Q17']);
    kvm.w[header + SP.unsyncChildren] = 0;
    expect(unsync(kvm)).toEqual(['Q17']);
  });

  it('shadow tables of level 1 (Q17, Q18)', () => {
    const kvm = migrated();
    const direct = livePages(kvm).find(
      (sp) => roleDirect(spRole(kvm, sp)) && roleLevel(spRole(kvm, sp)) === 1,
    )!;
    const above = livePages(kvm).find(
      (sp) => !roleDirect(spRole(kvm, sp)) && kvm.w[kvm.header(sp) + SP.parentPtes] === 0,
    )!;
    kvm.w[flagsOf(kvm, above)]! |= SP_UNSYNC;
    expect(unsync(kvm)).toEqual(['Q18']);
    kvm.w[flagsOf(kvm, above)]! &= ~SP_UNSYNC;
    kvm.w[flagsOf(kvm, direct)]! |= SP_UNSYNC;
    expect(unsync(kvm)).toContain('Q17');
  });
});

describe('nx-disallowed pages', () => {
  it('are on the list, which is counted (Q33)', () => {
    const kvm = booted();
    const [sp] = livePages(kvm);
    kvm.w[flagsOf(kvm, sp!)]! |= SP_NX_DISALLOWED;
    expect(unsync(kvm)).toEqual(['Q33']);
    kvm.put(KVM.nxHead, sp!);
    kvm.w[kvm.header(sp!) + SP.nxNext] = sp!;
    kvm.w[kvm.header(sp!) + SP.nxPrev] = sp!;
    expect(unsync(kvm)).toEqual(['Q33']);
    kvm.put(KVM.nxCount, 1);
    expect(unsync(kvm)).toEqual([]);
    kvm.w[flagsOf(kvm, sp!)]! &= ~SP_NX_DISALLOWED;
    expect(unsync(kvm)).toEqual(['Q33']);
  });

  it('are in use (Q33): B-42 puts one on the list that has been zapped meanwhile', () => {
    const kvm = booted();
    const sp = kvm.headerPool.alloc();
    const cpu = new PlainCpu(kvm.arena, new RunLog(), { actor: 0, name: 'x', cls: 'other' });
    accountHugeNxPage(kvm, cpu, sp);
    expect(unsync(kvm)).toEqual(['Q33']);
  });

  it('are each on it: another one there does not stand for the one that is missing (Q33)', () => {
    const kvm = booted();
    const [listed, missing] = livePages(kvm);
    accountHugeNxPage(
      kvm,
      new PlainCpu(kvm.arena, new RunLog(), { actor: 0, name: 'x', cls: 'other' }),
      listed!,
    );
    expect(unsync(kvm)).toEqual([]);
    kvm.w[flagsOf(kvm, missing!)]! |= SP_NX_DISALLOWED;
    expect(unsync(kvm)).toEqual(['Q33']);
  });
});

describe('a page that is in sync', () => {
  const gpte = (kvm: Kvm, { sp, index }: Place): number =>
    (kvm.guestTablesQ + ((kvm.w[kvm.header(sp) + SP.gfn]! - kvm.config.tableGfn) << kvm.tableBits) + index) *
    2;

  it.each([
    ['a leaf', 1, true],
    ['a huge leaf', 2, true],
    ['a table', 2, false],
  ])("says what L1's entry says, for %s (Q11)", (_name, level, leaf) => {
    const kvm = booted();
    const place = findEntry(kvm, { level, leaf, direct: false });
    const word = gpte(kvm, place);
    const lo = kvm.w[word]!;
    expect(synced(kvm)).toEqual([]);
    for (const changed of [0, lo ^ 0x40000, level > 1 ? lo ^ 0x80 : lo & ~2]) {
      kvm.w[word] = changed;
      expect(synced(kvm)).toEqual(['Q11']);
    }
    kvm.w[flagsOf(kvm, place.sp)]! |= SP_UNSYNC;
    expect(synced(kvm)).toEqual([]);
  });

  it('may be behind while the write is being emulated', () => {
    const kvm = booted({ l1Vcpus: 1 });
    const place = findEntry(kvm, { level: 1, leaf: true, direct: false });
    const word = gpte(kvm, place);
    const family = guestWrites.make(kvm, () => undefined);
    const cpu = new PlainCpu(kvm.arena, new RunLog(), { actor: 1, name: 'L1', cls: 'l1-vcpu' });
    family.begin(kvm);
    kvm.w[word] = 0;
    family.guestPte(cpu, 0, word >> 1, 0, 0);
    expect(synced(kvm)).toEqual([]);
    family.writeReleased(cpu);
    expect(synced(kvm)).toEqual(['Q11']);
  });
});

describe('a slot that is gone', () => {
  it('is mapped by nothing (Q40)', () => {
    const kvm = booted();
    const gone = (): string[] => findings(kvm, [goneSlotCheck]).map(({ id }) => id);
    expect(gone()).toEqual([]);
    kvm.w[kvm.slots[1]!.flagsWord]! |= MEMSLOT_GONE;
    expect(gone()).toEqual(['Q40']);
  });
});

describe('the A/D kind of a leaf', () => {
  const kinds = (kvm: Kvm): string[] => findings(kvm, [leafCheck]).map(({ id }) => id);

  it('is that of its role (Q31)', () => {
    const kvm = booted();
    const { word } = findEntry(kvm, { level: 1, leaf: true });
    expect(kinds(kvm)).toEqual([]);
    kvm.w[word + 1]! |= 1 << 20;
    expect(kinds(kvm)).toEqual(['Q31']);
  });

  it('of nested pages is write-protection while PML is in use (Q31, B-36)', () => {
    const kvm = booted({ pml: 8 });
    const { word } = findEntry(kvm, { level: 1, leaf: true });
    expect(kinds(kvm)).toEqual([]);
    kvm.w[word + 1]! &= ~(2 << 20);
    expect(kinds(kvm)).toEqual(['Q31']);
  });
});
