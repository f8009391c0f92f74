// kernel-facts A9 to A11: what the host does with a page, and what the guest's mappings are afterwards.
import { describe, expect, it } from 'vitest';
import { isHostWritable, isMmuWritable, isWritable, sptePfn } from '../../../src/mmu/format.ts';
import { freeFrames, frameWord, isPoisoned } from '../../../src/mmu/host/frames.ts';
import {
  collapse,
  copyOnWrite,
  makeWritable,
  mergePage,
  migratePages,
  swapIn,
  swapOut,
} from '../../../src/mmu/host/host-memory.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { hostMachine } from '../../support/host.ts';
import { Bench, leaves, type Leaf } from '../../support/machines.ts';

const bench = (given = {}): Bench => new Bench(hostMachine([{ kind: 'mmu-notifier' }], given));
const content = (b: Bench, gfn: number): number => b.kvm.w[frameWord(b.kvm, b.slot.pfn(gfn))]!;
const leafOf = (b: Bench, gfn: number): Leaf | undefined =>
  leaves(b.kvm, 1).find(({ lo, hi }) => sptePfn(lo, hi) === b.slot.pfn(gfn));
const hma = (b: Bench, { lo, hi }: Leaf): number[] => [
  Number(isHostWritable(b.kvm.format, lo, hi)),
  Number(isMmuWritable(b.kvm.format, lo, hi)),
  Number(isWritable(lo)),
];

describe('the boot mapping', () => {
  it('is present, writable and huge', () => {
    const { slot } = bench();
    expect([
      slot.hostPresent(slot.baseGfn),
      slot.hostWritable(slot.baseGfn),
      slot.hostLevel(slot.baseGfn),
    ]).toEqual([true, true, 2]);
  });
});

describe('migrating a page', () => {
  it('moves its content, poisons the old frame, and unmaps the huge page around it', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    const gfn = slot.baseGfn + 1;
    const before = { pfn: slot.pfn(gfn), content: content(b, slot.baseGfn), huge: leaves(kvm, 2).length };
    kvm.w[frameWord(kvm, before.pfn)] = 77;
    b.run(migratePages(kvm, cpu, slot, gfn, gfn + 1));
    expect(slot.pfn(gfn)).not.toBe(before.pfn);
    expect(content(b, gfn)).toBe(77);
    expect(isPoisoned(kvm.w[frameWord(kvm, before.pfn)]!)).toBe(true);
    expect(leaves(kvm, 2).length).toBe(before.huge - 1);
    expect([slot.hostLevel(gfn), slot.hostLevel(slot.baseGfn), slot.hostLevel(slot.baseGfn + 4)]).toEqual([
      1, 1, 2,
    ]);
    expect(freeFrames(kvm)).toBe(kvm.config.spareFrames);
    expect(slot.hostWritable(gfn)).toBe(true);
  });

  it('breaks only the huge page of the level it is in, of a 1G page', () => {
    const b = bench({ backing: '1g' });
    const { kvm, cpu, slot } = b;
    expect(slot.hostLevel(slot.baseGfn)).toBe(3);
    b.run(migratePages(kvm, cpu, slot, slot.baseGfn, slot.baseGfn + 1));
    expect([slot.hostLevel(slot.baseGfn), slot.hostLevel(slot.baseGfn + 4)]).toEqual([1, 2]);
  });

  it('names the whole huge page to the notifier, as its split changes all of its mapping', () => {
    const b = bench({ backing: '1g' });
    const { kvm, cpu, slot } = b;
    const ranges: number[][] = [];
    b.seen.invalidate = (_cpu, start, end, phase) => {
      if (phase === 'begin') ranges.push([start - slot.baseGfn, end - slot.baseGfn]);
    };
    b.run(migratePages(kvm, cpu, slot, slot.baseGfn + 5, slot.baseGfn + 6));
    b.run(migratePages(kvm, cpu, slot, slot.baseGfn + 9, slot.baseGfn + 10));
    b.run(migratePages(kvm, cpu, slot, slot.baseGfn + 6, slot.baseGfn + 7));
    expect(ranges).toEqual([
      [0, 16],
      [8, 12],
      [6, 7],
    ]);
  });

  it('lets the guest fault the new frame in, and only that page', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    const gfn = slot.baseGfn + 1;
    b.run(migratePages(kvm, cpu, slot, gfn, gfn + 1));
    expect(b.touch(gfn, 'write')).toBe(true);
    expect(hma(b, leafOf(b, gfn)!)).toEqual([1, 1, 1]);
    expect(content(b, gfn)).toBe(1);
  });
});

describe('swapping out', () => {
  it('leaves nothing mapped, keeps the content, and the next access brings the page back', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    const gfn = slot.baseGfn;
    const version = content(b, gfn);
    b.run(swapOut(kvm, cpu, slot, gfn, gfn + 1));
    expect([slot.hostPresent(gfn), content(b, gfn)]).toEqual([false, version]);
    expect(b.touch(gfn, 'read')).toBe(true);
    expect([slot.hostPresent(gfn), slot.hostWritable(gfn)]).toEqual([true, true]);
    expect(hma(b, leafOf(b, gfn)!)).toEqual([1, 1, 1]);
  });

  it('does not swap a page out twice, and a page that is there is not brought in', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    b.run(swapOut(kvm, cpu, slot, slot.baseGfn, slot.baseGfn + 2));
    b.run(swapOut(kvm, cpu, slot, slot.baseGfn, slot.baseGfn + 1));
    expect(b.counter('pagesSwapped')).toBe(2);
    b.run(swapIn(kvm, cpu, slot, slot.baseGfn + 2));
    expect(kvm.w[slot.hostWord(slot.baseGfn + 2)]).toBe(0);
  });
});

describe('merging equal pages', () => {
  it.each([true, false])('makes the page read-only in another frame (unmapping first: %j)', (unmapsFirst) => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    const gfn = slot.baseGfn;
    b.run(migratePages(kvm, cpu, slot, gfn, gfn + 1));
    b.touch(gfn, 'write');
    const old = slot.pfn(gfn);
    const version = content(b, gfn);
    b.run(mergePage(kvm, cpu, slot, gfn, unmapsFirst));
    expect([slot.hostPresent(gfn), slot.hostWritable(gfn), content(b, gfn)]).toEqual([true, false, version]);
    expect(isPoisoned(kvm.w[frameWord(kvm, old)]!)).toBe(true);
    const leaf = leafOf(b, gfn);
    expect(leaf === undefined ? undefined : hma(b, leaf)).toEqual(unmapsFirst ? undefined : [0, 0, 0]);
  });

  it('splits a huge page of the host first', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    const huge = leaves(kvm, 2).length;
    b.run(mergePage(kvm, cpu, slot, slot.baseGfn, false));
    expect([slot.hostLevel(slot.baseGfn), leaves(kvm, 2).length]).toEqual([1, huge - 1]);
  });

  it('is undone by a write of the guest: in place, or by a copy', () => {
    const frames = new Set<boolean>();
    for (let seed = 1; seed <= 8; seed++) {
      const b = bench();
      const { kvm, cpu, slot } = b;
      cpu.choices.seed(seed * 7919);
      b.run(mergePage(kvm, cpu, slot, slot.baseGfn, true));
      const merged = slot.pfn(slot.baseGfn);
      b.touch(slot.baseGfn, 'read');
      expect(hma(b, leafOf(b, slot.baseGfn)!)).toEqual([0, 0, 0]);
      b.touch(slot.baseGfn, 'write');
      expect(slot.hostWritable(slot.baseGfn)).toBe(true);
      expect(hma(b, leafOf(b, slot.baseGfn)!)).toEqual([1, 1, 1]);
      frames.add(slot.pfn(slot.baseGfn) === merged);
    }
    expect(frames.size).toBe(2);
  });

  it('leaves a read-only leaf behind when the sharing ends in place, without a notifier (H-B)', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    b.run(mergePage(kvm, cpu, slot, slot.baseGfn, true));
    b.touch(slot.baseGfn, 'read');
    const invalidations = b.counter('invalidations');
    b.run(makeWritable(kvm, cpu, slot, slot.baseGfn));
    expect(slot.hostWritable(slot.baseGfn)).toBe(true);
    expect(hma(b, leafOf(b, slot.baseGfn)!)).toEqual([0, 0, 0]);
    expect(b.counter('invalidations')).toBe(invalidations);
  });

  it('does not copy a page that somebody else has made writable meanwhile', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    b.run(mergePage(kvm, cpu, slot, slot.baseGfn, true));
    b.run(makeWritable(kvm, cpu, slot, slot.baseGfn));
    const pfn = slot.pfn(slot.baseGfn);
    b.run(copyOnWrite(kvm, cpu, slot, slot.baseGfn));
    expect(slot.pfn(slot.baseGfn)).toBe(pfn);
  });
});

describe('collapsing', () => {
  it('brings the boot frames and the huge page back, and faults map it huge again', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    const gfn = slot.baseGfn;
    const huge = leaves(kvm, 2).length;
    b.run(migratePages(kvm, cpu, slot, gfn, gfn + 4));
    b.touch(gfn + 1, 'write');
    const version = content(b, gfn + 1);
    expect(b.run(collapse(kvm, cpu, slot, gfn, 2))).toBe(true);
    expect([slot.hostLevel(gfn), slot.pfn(gfn + 1), content(b, gfn + 1)]).toEqual([
      2,
      slot.config.basePfn + 1,
      version,
    ]);
    expect(freeFrames(kvm)).toBe(kvm.config.spareFrames);
    b.touch(gfn + 1, 'write');
    expect(leaves(kvm, 2).length).toBe(huge);
  });

  it('leaves pages that are swapped out or shared alone, and blocks that are whole', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    const gfn = slot.baseGfn;
    b.run(swapOut(kvm, cpu, slot, gfn, gfn + 1));
    b.run(mergePage(kvm, cpu, slot, gfn + 4, true));
    expect([gfn, gfn + 4, gfn + 8].map((at) => b.run(collapse(kvm, cpu, slot, at, 2)))).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('gives up while somebody else is at work', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    b.run(migratePages(kvm, cpu, slot, slot.baseGfn, slot.baseGfn + 1));
    kvm.put(KVM.mmapLock, 1);
    expect(b.run(collapse(kvm, cpu, slot, slot.baseGfn, 2))).toBe(false);
    kvm.put(KVM.mmapLock, 0);
    expect(b.run(collapse(kvm, cpu, slot, slot.baseGfn, 2))).toBe(true);
    expect(kvm.get(KVM.mmapLock)).toBe(0);
  });
});
