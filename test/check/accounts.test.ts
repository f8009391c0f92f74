import { describe, expect, it } from 'vitest';
import { accountCheck } from '../../src/check/accounts.ts';
import { logOffCheck } from '../../src/check/log-off.ts';
import { protectedCheck } from '../../src/check/protected.ts';
import { zappedCheck } from '../../src/check/zapped.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import { ROLE_INVALID } from '../../src/mmu/role.ts';
import { SP, SP_ACTIVE, SP_UNSYNC, spRole } from '../../src/mmu/shadow-page.ts';
import { VCPU } from '../../src/mmu/vcpu-words.ts';
import {
  booted,
  brokenIds,
  findEntry,
  findings,
  headerWord,
  livePages,
  migrated,
} from '../support/q-machine.ts';

const ids = (kvm: Kvm): string[] =>
  findings(kvm, [accountCheck, zappedCheck, protectedCheck, logOffCheck]).map(({ id }) => id);

describe('the accounts of shadowed tables', () => {
  it('are in order after the boot and after a migration', () => {
    expect(brokenIds(booted())).toEqual([]);
    expect(brokenIds(migrated())).toEqual([]);
  });

  it('count every page in disallow_lpage (Q54), below misalignment', () => {
    const kvm = booted();
    const slot = kvm.slotOf(kvm.config.tableGfn)!;
    const word = slot.lpageInfoWord(kvm.config.tableGfn, 2);
    kvm.w[word]!--;
    expect(findings(kvm, [accountCheck])).toMatchObject([{ id: 'Q54', words: [word] }]);
  });

  it('count pages above level 1 in the write tracking of their gfn (Q55), and nothing else there', () => {
    const kvm = booted();
    const slot = kvm.slotOf(kvm.config.tableGfn)!;
    const word = slot.writeTrackWord(kvm.config.tableGfn);
    kvm.w[word]!++;
    expect(new Set(ids(kvm))).toEqual(new Set(['Q55']));
    kvm.w[word]!--;
    kvm.w[slot.writeTrackWord(slot.baseGfn)]!++;
    expect(ids(kvm)).toEqual(['Q55']);
  });

  it('know how many pages are accounted (Q56)', () => {
    const kvm = booted();
    kvm.put(KVM.indirectShadowPages, kvm.get(KVM.indirectShadowPages) + 1);
    expect(ids(kvm)).toEqual(['Q56']);
  });
});

describe('roots', () => {
  const root = (kvm: Kvm): number => kvm.w[kvm.vcpuWord(0) + VCPU.roots]!;

  it('are counted in the page (Q16)', () => {
    const kvm = booted();
    kvm.w[headerWord(kvm, root(kvm), 'rootCount')]!++;
    expect(ids(kvm)).toEqual(['Q16']);
  });

  it('are never pages that were freed (Q51)', () => {
    const kvm = booted();
    kvm.w[kvm.tableOwner + kvm.w[headerWord(kvm, root(kvm), 'table')]!] = 0;
    expect(ids(kvm)).toContain('Q51');
  });

  it('that were zapped keep nothing but their references (Q15)', () => {
    const kvm = booted();
    const sp = root(kvm);
    const header = kvm.header(sp);
    const first = (kvm.tablesQ + (kvm.w[header + SP.table]! << kvm.tableBits)) * 2;
    // What kvm_mmu_prepare_zap_page() leaves of a root.
    kvm.w[header + SP.role] = spRole(kvm, sp) | ROLE_INVALID;
    kvm.w[header + SP.flags]! &= ~SP_ACTIVE;
    const prev = kvm.w[header + SP.linkPrev]!;
    const next = kvm.w[header + SP.linkNext]!;
    if (prev === 0) kvm.put(KVM.activeHead, next);
    else kvm.w[kvm.header(prev) + SP.linkNext] = next;
    const entries = kvm.w.slice(first, first + kvm.entries * 2);
    kvm.w.fill(0, first, first + kvm.entries * 2);
    kvm.put(KVM.invalidRoots, 1);
    const q15 = (): string[] =>
      findings(kvm, [zappedCheck]).map(({ id, text }) => `${id}: ${text.split(', and ')[1]}`);
    expect(q15()).toEqual([]);
    kvm.w[header + SP.flags]! |= SP_ACTIVE;
    kvm.w[header + SP.parentPtes] = 2;
    expect(q15()).toEqual(['Q15: still has parents', 'Q15: is still active']);
    kvm.w[header + SP.flags]! &= ~SP_ACTIVE;
    kvm.w[header + SP.parentPtes] = 0;
    kvm.w.set(entries, first);
    expect(q15()).toEqual(['Q15: its page was zapped']);
    kvm.w.fill(0, first, first + kvm.entries * 2);
    for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) kvm.w[kvm.vcpuWord(vcpu) + VCPU.roots] = 0;
    kvm.w[header + SP.rootCount] = 0;
    expect(q15()).toEqual(['Q15: is no root of anybody']);
  });
});

describe('a shadowed table', () => {
  /** A level-1 leaf of L2's whose head is made that of L1's root table. */
  function leafOverTable(kvm: Kvm, level: number): number {
    const { word, sptep } = findEntry(kvm, { level, leaf: true });
    const slot = kvm.slotOf(kvm.config.tableGfn)!;
    kvm.w[slot.rmapWord(kvm.config.tableGfn, level)] = sptep << 1;
    return word;
  }
  const rootPage = (kvm: Kvm): number =>
    livePages(kvm).find((sp) => kvm.w[headerWord(kvm, sp, 'gfn')] === kvm.config.tableGfn)!;

  it('is mapped without W and MMU-writable while it is in sync (Q41)', () => {
    const kvm = booted();
    const word = leafOverTable(kvm, 1);
    expect(ids(kvm)).toEqual(['Q41']);
    kvm.w[word]! &= ~2;
    expect(findings(kvm, [protectedCheck])[0]!.text).toContain('MMU-writable');
    kvm.w[word + 1]! &= ~kvm.format.mmuWritableHi;
    expect(ids(kvm)).toEqual([]);
    kvm.w[word]! |= 2;
    kvm.w[headerWord(kvm, rootPage(kvm), 'flags')]! |= SP_UNSYNC;
    expect(findings(kvm, [protectedCheck])).toEqual([]);
  });

  it('is not inside a writable huge page (Q26), out of sync or not', () => {
    const kvm = booted();
    leafOverTable(kvm, 2);
    // One report for each table in the page.
    expect(new Set(ids(kvm))).toEqual(new Set(['Q26']));
    kvm.w[headerWord(kvm, rootPage(kvm), 'flags')]! |= SP_UNSYNC;
    expect(ids(kvm)).toContain('Q26');
  });
});

describe('a slot that is not logged', () => {
  it('has no dirty bits (Q48) once slots_lock is free', () => {
    const kvm = booted();
    kvm.w[kvm.slots[1]!.layout.dirtyBitmap] = 1;
    expect(ids(kvm)).toEqual(['Q48']);
    kvm.w[kvm.slotsLock.state] = 1;
    expect(ids(kvm)).toEqual([]);
  });

  it('may have them while it is logged', () => {
    const kvm = migrated();
    kvm.w[kvm.slots[1]!.layout.dirtyBitmap] = 1;
    expect(ids(kvm)).toEqual([]);
  });
});
