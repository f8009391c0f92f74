// kernel-facts A12, 2.6, 5.6, H-C: aging with A bits and with access tracking, in both MMUs.
import { describe, expect, it } from 'vitest';
import {
  ACC_TRACK_SHIFT_HI,
  isExecutableSaved,
  isMmuWritable,
  isWritable,
  SPTE_AD_DISABLED_HI,
  SPTE_AD_MASK_HI,
} from '../../../src/mmu/format.ts';
import { clearFlushYoung, clearYoung, testYoung } from '../../../src/mmu/host/aging.ts';
import { hostRange } from '../../../src/mmu/host/range.ts';
import { MEMSLOT_GONE } from '../../../src/mmu/memslot.ts';
import { enableDirtyLogging } from '../../../src/mmu/dirty-log.ts';
import { tdpRoots } from '../../../src/mmu/tdp/roots.ts';
import { ROOT_L1 } from '../../../src/mmu/vcpu-words.ts';
import { engineOf, findVariant } from '../../../src/variants/index.ts';
import { hostMachine } from '../../support/host.ts';
import { Bench, leaves, type Given } from '../../support/machines.ts';
import { tdpLeavesBelow } from '../../support/tdp-machine.ts';

const NO_AD: Given = { hostAdBits: false };
const VARIANTS = ['p1', 'lockless-aging-6.15'];

const bench = (variant: string, given: Given = {}): Bench =>
  new Bench(hostMachine([{ kind: 'page-aging' }], given), engineOf([findVariant(variant)!]));

type Age = typeof clearYoung;
const age = (b: Bench, how: Age, pages = 1): boolean =>
  b.run(how(b.kvm, b.cpu, hostRange(b.kvm, b.slot, b.slot.baseGfn, b.slot.baseGfn + pages)));

interface Value {
  readonly lo: number;
  readonly hi: number;
}

/** The leaf over the first page: of L2, or of L1. */
function leaf(b: Bench, l1: boolean): Value {
  if (!l1) {
    const level = leaves(b.kvm, 2).length > 0 ? 2 : 1;
    return leaves(b.kvm, level).find(
      ({ lo, hi }) => (lo >>> 12) + (hi & 0xfffff) * 0x100000 === b.slot.config.basePfn,
    )!;
  }
  const found = tdpRoots(b.kvm).flatMap((root) => tdpLeavesBelow(b.kvm, root, b.kvm.config.tdpRootLevel, 0));
  return found.find(({ gfn }) => gfn === b.slot.baseGfn)!;
}

describe.each(VARIANTS)('aging under %s', (variant) => {
  describe.each([
    ['L2', false],
    ['L1', true],
  ])('pages of %s', (_who, l1) => {
    const young = (given: Given = {}): Bench => {
      const b = bench(variant, l1 ? { ...given, l1Vcpus: 1 } : given);
      if (l1) b.touch(b.slot.baseGfn, 'write', ROOT_L1, 2);
      b.seen.flushes.length = 0;
      return b;
    };

    it('clears A, and only A, once', () => {
      const b = young();
      const A = b.kvm.format.accessedLo;
      const before = leaf(b, l1);
      expect(before.lo & A).not.toBe(0);
      expect([age(b, testYoung), age(b, clearYoung), age(b, testYoung), age(b, clearYoung)]).toEqual([
        true,
        true,
        false,
        false,
      ]);
      expect(leaf(b, l1)).toMatchObject({ lo: before.lo & ~A, hi: before.hi });
      expect(b.seen.flushes).toEqual([]);
    });

    it('takes permissions away where there is no A, keeps MMU-writable, and saves R and X', () => {
      const b = young(NO_AD);
      const before = leaf(b, l1);
      expect(before.hi & SPTE_AD_MASK_HI).toBe(SPTE_AD_DISABLED_HI);
      expect(age(b, testYoung)).toBe(true);
      expect(leaf(b, l1)).toMatchObject({ lo: before.lo, hi: before.hi });
      expect(age(b, clearYoung)).toBe(true);
      const { lo, hi } = leaf(b, l1);
      expect(lo & 7).toBe(0);
      expect((hi >>> ACC_TRACK_SHIFT_HI) & 7).toBe(5);
      expect([isMmuWritable(b.kvm.format, lo, hi), isExecutableSaved(b.kvm.format, lo, hi)]).toEqual([
        true,
        true,
      ]);
      expect([age(b, testYoung), age(b, clearFlushYoung)]).toEqual([false, false]);
    });

    it('gives them back with the next access', () => {
      const b = young(NO_AD);
      const before = leaf(b, l1);
      age(b, clearFlushYoung);
      b.touch(b.slot.baseGfn, 'write', l1 ? ROOT_L1 : 0, l1 ? 2 : 0);
      const { lo, hi } = leaf(b, l1);
      expect([lo & 7, isWritable(lo)]).toEqual([before.lo & 7, true]);
      expect(hi).toBe(before.hi);
    });

    it('marks the page of the host dirty that W no longer tells of (Q47)', () => {
      const b = young(NO_AD);
      const dirty: boolean[] = [];
      b.seen.hostPageInherits = (_cpu, _sptep, _lo, _hi, isDirty) => dirty.push(isDirty);
      age(b, clearYoung);
      expect(dirty).toContain(true);
    });

    it.each([[{}], [NO_AD]])(
      'flushes on request if something was young, and then sees the next use (%j)',
      (given) => {
        const b = young(given);
        expect([age(b, clearFlushYoung, 4), age(b, clearFlushYoung, 4)]).toEqual([true, false]);
        expect(b.seen.flushes).toEqual([{ reason: 'age', gfn: b.slot.baseGfn, pages: 4 }]);
        b.touch(b.slot.baseGfn, 'read', l1 ? ROOT_L1 : 0, l1 ? 2 : 0);
        expect(age(b, testYoung)).toBe(true);
      },
    );

    it.each([[{}], [NO_AD]])('does not flush otherwise, and misses a use by way of a TLB (%j)', (given) => {
      const b = young(given);
      const [root, vcpu] = l1 ? [ROOT_L1, 2] : [0, 0];
      b.touch(b.slot.baseGfn, 'read', root, vcpu);
      age(b, clearYoung);
      b.touch(b.slot.baseGfn, 'read', root, vcpu);
      expect([age(b, testYoung), b.seen.flushes]).toEqual([false, []]);
    });
  });

  it('looks at every page of the range, and counts what was young', () => {
    const b = bench(variant);
    expect(age(b, clearYoung, 8)).toBe(true);
    expect(b.counter('pagesAged')).toBe(1);
    expect(age(b, testYoung, 8)).toBe(false);
  });

  it('does not look at a slot that does not exist', () => {
    const b = bench(variant);
    b.kvm.arena.put(b.slot.flagsWord, MEMSLOT_GONE);
    expect(age(b, clearYoung)).toBe(false);
  });

  it('is passed on by a split: the children of a tracked page are tracked, and none gains W (H-C)', () => {
    const b = bench(variant, NO_AD);
    age(b, clearYoung, 4);
    b.run(enableDirtyLogging(b.kvm, b.cpu, b.slot));
    const children = leaves(b.kvm, 1).filter(({ lo }) => (lo & 7) === 0);
    expect(children.length).toBe(4);
    for (const { hi } of children) expect((hi >>> ACC_TRACK_SHIFT_HI) & 7).toBe(5);
  });
});
