import { describe, expect, it } from 'vitest';
import { HELD_MMU_WRITE } from '../../src/cpu/cpu.ts';
import { translate, tlbNeed, WALK_FORBIDDEN, WALK_NOT_PRESENT } from '../../src/mmu/hardware.ts';
import { dropSpte } from '../../src/mmu/rmap.ts';
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE } from '../../src/mmu/shadow/walk-addr.ts';
import {
  tlbDropPage,
  tlbEntries,
  tlbFill,
  tlbFlushAll,
  tlbLookup,
  TLB_DIRTY,
  TLB_R,
  TLB_W,
  TLB_X,
} from '../../src/mmu/tlb.ts';
import { Bench, identity, leaves, machineOf, rootOf, type Given } from '../support/machines.ts';

const bench = (given: Given = {}): Bench => new Bench(machineOf(identity(2), { backing: '2m', ...given }));
const walk = (made: Bench, page: number, access: number): number =>
  made.run(translate(made.vcpu(), made.slot.baseGfn + page, access));

describe('the TLB', () => {
  it('finds what was filled, by address, root and permission, at every page size', () => {
    const made = bench();
    const vcpu = made.vcpu();
    tlbFlushAll(vcpu);
    tlbFill(vcpu, 0, 0x25, 1, 0x125, TLB_R);
    tlbFill(vcpu, 0, 0x2b, 2, 0x128, TLB_R | TLB_W);
    tlbFill(vcpu, 0, 0x3f, 3, 0x230, TLB_X);
    expect([
      tlbLookup(vcpu, 0, 0x25, TLB_R),
      tlbLookup(vcpu, 0, 0x29, TLB_W),
      tlbLookup(vcpu, 0, 0x33, TLB_X),
    ]).toEqual([0x125, 0x129, 0x233]);
    expect([
      tlbLookup(vcpu, 0, 0x24, TLB_R),
      tlbLookup(vcpu, 0, 0x25, TLB_W),
      tlbLookup(vcpu, 1, 0x25, TLB_R),
    ]).toEqual([-1, -1, -1]);
    expect(tlbEntries(made.kvm, 0).map(({ l2Gfn, level, pfn }) => [l2Gfn, level, pfn])).toEqual([
      [0x25, 1, 0x125],
      [0x28, 2, 0x128],
      [0x30, 3, 0x230],
    ]);
  });

  it('forgets everything in a flush, and one page on demand', () => {
    const made = bench();
    const vcpu = made.vcpu();
    tlbFlushAll(vcpu);
    tlbFill(vcpu, 0, 0x25, 1, 1, TLB_R);
    tlbFill(vcpu, 0, 0x25, 2, 4, TLB_R);
    tlbFill(vcpu, 0, 0x30, 1, 2, TLB_R);
    tlbDropPage(vcpu, 0, 0x25);
    expect(tlbEntries(made.kvm, 0).map((entry) => entry.l2Gfn)).toEqual([0x30]);
    tlbFlushAll(vcpu);
    expect(tlbEntries(made.kvm, 0)).toEqual([]);
  });

  it('keeps one of two addresses that meet in an entry', () => {
    const made = bench({ tlbBits: 1 });
    const vcpu = made.vcpu();
    tlbFlushAll(vcpu);
    tlbFill(vcpu, 0, 0x20, 1, 1, TLB_R);
    tlbFill(vcpu, 0, 0x22, 1, 2, TLB_R);
    expect([tlbLookup(vcpu, 0, 0x20, TLB_R), tlbLookup(vcpu, 0, 0x22, TLB_R)]).toEqual([-1, 2]);
  });

  it('is asked for D by a write', () => {
    expect([tlbNeed(ACCESS_READ), tlbNeed(ACCESS_EXEC), tlbNeed(ACCESS_WRITE)]).toEqual([
      TLB_R,
      TLB_X,
      TLB_R | TLB_W | TLB_DIRTY,
    ]);
  });
});

describe('the hardware walk', () => {
  it('translates, caches, and serves the next access from the cache', () => {
    const made = bench();
    tlbFlushAll(made.vcpu());
    expect(walk(made, 6, ACCESS_READ)).toBe(made.slot.pfn(made.slot.baseGfn + 6));
    const steps = made.cpu.now();
    expect(walk(made, 7, ACCESS_READ)).toBe(made.slot.pfn(made.slot.baseGfn + 7));
    expect([made.cpu.now() - steps, made.counter('tlbMisses')]).toEqual([0, 1]);
  });

  it('sets A on a read and D on a write, and not D on a read', () => {
    const made = bench();
    const { kvm } = made;
    const f = kvm.format;
    const leaf = leaves(kvm, 2).find(({ index }) => index === 1)!;
    const low = leaf.lo & ~f.accessedLo & ~f.dirtyLo;
    kvm.arena.put(leaf.sptep * 2, low);
    tlbFlushAll(made.vcpu());
    const page = leaf.index * 4;
    walk(made, page, ACCESS_READ);
    expect(kvm.w[leaf.sptep * 2]).toBe(low | f.accessedLo);
    walk(made, page, ACCESS_WRITE);
    expect(kvm.w[leaf.sptep * 2]).toBe(low | f.accessedLo | f.dirtyLo);
  });

  it('tells an entry that is missing from one that forbids', () => {
    const made = new Bench(
      machineOf(
        rootOf(({ base, huge2 }) => [
          { l2Gfn: base, l1Gfn: base, level: 2, count: 1, perm: 'r' },
          { l2Gfn: base + huge2, l1Gfn: base + huge2, level: 2, count: 1 },
        ]),
        { backing: '2m' },
      ),
    );
    tlbFlushAll(made.vcpu());
    expect([
      walk(made, 0, ACCESS_READ) >= 0,
      walk(made, 0, ACCESS_WRITE),
      walk(made, 0, ACCESS_EXEC),
    ]).toEqual([true, WALK_FORBIDDEN, WALK_FORBIDDEN]);
    made.cpu.held = HELD_MMU_WRITE;
    for (const { sptep } of leaves(made.kvm, 2)) dropSpte(made.kvm, made.cpu, sptep);
    tlbFlushAll(made.vcpu());
    expect(walk(made, 4, ACCESS_READ)).toBe(WALK_NOT_PRESENT);
  });

  it('drops what is cached for a page when it is forbidden, whatever its size', () => {
    const made = bench();
    const vcpu = made.vcpu();
    const { baseGfn } = made.slot;
    for (const { sptep, lo } of leaves(made.kvm, 2)) made.kvm.arena.put(sptep * 2, lo & ~2);
    tlbFlushAll(vcpu);
    tlbFill(vcpu, 0, baseGfn, 1, 1, TLB_R);
    tlbFill(vcpu, 0, baseGfn, 3, 1, TLB_R);
    expect(walk(made, 0, ACCESS_WRITE)).toBe(WALK_FORBIDDEN);
    expect(tlbEntries(made.kvm, 0)).toEqual([]);
  });

  it('goes on with an old translation until the TLB is flushed: that is what flushes are for', () => {
    const made = bench();
    walk(made, 0, ACCESS_WRITE);
    made.cpu.held = HELD_MMU_WRITE;
    for (const { sptep } of leaves(made.kvm, 2)) dropSpte(made.kvm, made.cpu, sptep);
    expect(walk(made, 0, ACCESS_WRITE)).toBe(made.slot.pfn(made.slot.baseGfn));
    tlbFlushAll(made.vcpu());
    expect(walk(made, 0, ACCESS_WRITE)).toBe(WALK_NOT_PRESENT);
  });

  it('that leaves the page tables is a Q6 of the model', () => {
    const made = bench();
    const { kvm } = made;
    const { sp } = leaves(kvm, 2)[0]!;
    const parent = kvm.w[kvm.header(sp) + 5]! >>> 1;
    kvm.arena.put(parent * 2, kvm.w[parent * 2]! & 0xfff);
    tlbFlushAll(made.vcpu());
    expect(() => walk(made, 0, ACCESS_READ)).toThrow(/a walk of L2 gfn \d+ left the page tables at level 3/);
  });
});
