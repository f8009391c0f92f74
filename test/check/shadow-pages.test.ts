import { describe, expect, it } from 'vitest';
import { pageBudgetCheck, shadowPageCheck } from '../../src/check/shadow-pages.ts';
import { KVM } from '../../src/mmu/kvm.ts';
import { ROLE_INVALID } from '../../src/mmu/role.ts';
import { hashBucket, SP, spFlags, spGfn, spRole, spTable } from '../../src/mmu/shadow-page.ts';
import { booted, brokenIds, findings, headerWord, livePages, migrated } from '../support/q-machine.ts';

const GUEST_MODE = 1 << 17;

describe('shadow pages', () => {
  it('reports nothing about a booted machine and one after a migration', () => {
    expect(findings(booted(), [shadowPageCheck, pageBudgetCheck])).toEqual([]);
    expect(findings(migrated(), [shadowPageCheck, pageBudgetCheck])).toEqual([]);
  });

  it('Q1 is broken by an invalid page on the active list', () => {
    const kvm = booted();
    const sp = livePages(kvm)[0]!;
    kvm.arena.put(headerWord(kvm, sp, 'role'), spRole(kvm, sp) | ROLE_INVALID);
    const found = findings(kvm).find((finding) => finding.id === 'Q1');
    expect(found?.text).toMatch(/^page \d+ \(L\d \w+ \S+ invalid, gfn 0x[0-9a-f]+\) is on the active list$/);
    expect(found?.words).toEqual([headerWord(kvm, sp, 'role')]);
  });

  it('Q1 is broken by a table that points back to another header', () => {
    const kvm = booted();
    const [sp, other] = livePages(kvm);
    kvm.arena.put(kvm.tableOwner + spTable(kvm, sp!), other!);
    expect(brokenIds(kvm)).toContain('Q1');
  });

  it('Q1 is broken by a table, level or shadowed translation that does not exist', () => {
    for (const [field, value] of [
      ['table', 0],
      ['table', 1 << 20],
      ['role', 0],
      ['shadowInfo', -1],
    ] as const) {
      const kvm = booted();
      kvm.arena.put(headerWord(kvm, livePages(kvm)[0]!, field), value);
      expect(brokenIds(kvm)).toContain('Q1');
    }
  });

  it('Q1 is broken by an indirect page without a shadowed translation', () => {
    const kvm = booted();
    kvm.arena.put(headerWord(kvm, livePages(kvm)[0]!, 'shadowInfo'), 0);
    expect(brokenIds(kvm)).toContain('Q1');
  });

  it('Q1 is broken by an active list that comes back, leads astray, or has a wrong tail', () => {
    const last = (kvm: ReturnType<typeof booted>): number =>
      headerWord(kvm, livePages(kvm).at(-1)!, 'linkNext');
    const circle = booted();
    circle.arena.put(last(circle), livePages(circle)[0]!);
    const stray = booted();
    stray.arena.put(last(stray), 1 << 20);
    const tail = booted();
    tail.put(KVM.activeTail, livePages(tail)[0]!);
    const flag = booted();
    const sp = livePages(flag)[0]!;
    flag.arena.put(headerWord(flag, sp, 'flags'), spFlags(flag, sp) & ~4);
    for (const kvm of [circle, stray, tail, flag]) expect(brokenIds(kvm)).toContain('Q1');
  });

  it('Q2 is broken by a page that its bucket does not hold', () => {
    const kvm = booted();
    kvm.arena.put(hashBucket(kvm, spGfn(kvm, livePages(kvm)[0]!)), 0);
    expect(brokenIds(kvm)).toContain('Q2');
  });

  it('Q2 is broken by a page in the bucket of another gfn', () => {
    const kvm = booted();
    const sp = livePages(kvm)[0]!;
    kvm.arena.put(headerWord(kvm, sp, 'gfn'), spGfn(kvm, sp) + 1);
    expect(brokenIds(kvm)).toContain('Q2');
  });

  it('Q2 is broken by a page that a second bucket holds too, and by a chain that comes back', () => {
    const twice = booted();
    const sp = livePages(twice)[0]!;
    twice.arena.put(hashBucket(twice, spGfn(twice, sp)) ^ 1, sp);
    expect(brokenIds(twice)).toContain('Q2');
    const circle = booted();
    circle.arena.put(headerWord(circle, sp, 'hashNext'), sp);
    expect(brokenIds(circle)).toContain('Q2');
  });

  it('Q2 is broken by a header in the hash that is not on the active list', () => {
    const kvm = booted();
    const [first, second] = livePages(kvm);
    kvm.put(KVM.activeHead, second!);
    kvm.arena.put(headerWord(kvm, second!, 'linkPrev'), 0);
    const texts = findings(kvm, [shadowPageCheck]).map((finding) => finding.text);
    expect(
      texts.some((text) => text.startsWith(`page ${first} `) && text.includes('not on the active list')),
    ).toBe(true);
  });

  it('Q3 is broken by two pages of one identity', () => {
    const kvm = migrated();
    // The clean page was split read-only and then faulted in writable: two direct pages of one gfn, of two accesses.
    const byGfn = new Map<number, number>();
    for (const sp of livePages(kvm)) {
      const other = byGfn.get(spGfn(kvm, sp));
      if (other !== undefined && (spRole(kvm, sp) & 0xf) === (spRole(kvm, other) & 0xf)) {
        kvm.arena.put(headerWord(kvm, sp, 'role'), spRole(kvm, other));
        break;
      }
      byGfn.set(spGfn(kvm, sp), sp);
    }
    expect(brokenIds(kvm)).toContain('Q3');
  });

  it('Q4 is broken by a page too many in n_used, and by an invalid root that is not there', () => {
    const used = booted();
    used.put(KVM.nUsed, used.get(KVM.nUsed) + 1);
    expect(findings(used).map((finding) => finding.id)).toEqual(['Q4']);
    const roots = booted();
    roots.put(KVM.invalidRoots, 1);
    expect(findings(roots).map((finding) => finding.id)).toEqual(['Q4']);
  });

  it('Q4 counts an invalid root that a vCPU still uses', () => {
    const kvm = booted();
    const root = livePages(kvm).find((sp) => kvm.w[kvm.header(sp) + SP.rootCount]! > 0)!;
    const header = kvm.header(root);
    const [prev, next] = [kvm.w[header + SP.linkPrev]!, kvm.w[header + SP.linkNext]!];
    kvm.arena.put(prev === 0 ? kvm.base + KVM.activeHead : headerWord(kvm, prev, 'linkNext'), next);
    kvm.arena.put(next === 0 ? kvm.base + KVM.activeTail : headerWord(kvm, next, 'linkPrev'), prev);
    kvm.arena.put(header + SP.role, spRole(kvm, root) | ROLE_INVALID);
    kvm.put(KVM.invalidRoots, 1);
    expect(findings(kvm, [shadowPageCheck])).toEqual([]);
  });

  it('Q5 is broken by five pages more than n_max, and not by four', () => {
    const kvm = booted();
    kvm.put(KVM.nMax, kvm.get(KVM.nUsed) - 4);
    expect(brokenIds(kvm)).toEqual([]);
    kvm.put(KVM.nMax, kvm.get(KVM.nUsed) - 5);
    expect(brokenIds(kvm)).toEqual(['Q5']);
  });

  it('Q14 is broken by a page that is not in guest mode', () => {
    const kvm = booted();
    const sp = livePages(kvm)[0]!;
    kvm.arena.put(headerWord(kvm, sp, 'role'), spRole(kvm, sp) & ~GUEST_MODE);
    expect(brokenIds(kvm)).toContain('Q14');
  });
});
