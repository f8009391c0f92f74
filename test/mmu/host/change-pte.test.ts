// kernel-facts A11, B-05, B-15: the host tells KVM of a new pte.
import { describe, expect, it } from 'vitest';
import { isHostWritable, isMmuWritable, isWritable, sptePfn } from '../../../src/mmu/format.ts';
import { changePte } from '../../../src/mmu/host/change-pte.ts';
import { migratePages } from '../../../src/mmu/host/host-memory.ts';
import { invalidateRangeEnd, invalidateRangeStart } from '../../../src/mmu/host/notifier.ts';
import { hostRange } from '../../../src/mmu/host/range.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { hostMachine } from '../../support/host.ts';
import { Bench, leaves, type Given, type Leaf } from '../../support/machines.ts';
import { tdpLeavesBelow } from '../../support/tdp-machine.ts';
import { tdpRoots } from '../../../src/mmu/tdp/roots.ts';
import { ROOT_L1 } from '../../../src/mmu/vcpu-words.ts';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import type { Engine } from '../../../src/mmu/engine.ts';

/** The first page of the slot is mapped as 4K, writable. */
function bench(given: Given = {}, engine: Engine = P1_ENGINE): Bench {
  const b = new Bench(hostMachine([{ kind: 'mmu-notifier' }], given), engine);
  b.run(migratePages(b.kvm, b.cpu, b.slot, b.slot.baseGfn, b.slot.baseGfn + 1));
  b.touch(b.slot.baseGfn, 'write');
  b.seen.flushes.length = 0;
  return b;
}

const mapping = (b: Bench, pfn: number): Leaf | undefined =>
  leaves(b.kvm, 1).find(({ lo, hi }) => sptePfn(lo, hi) === pfn);

/** Tells of the new pte inside an invalidation that unmaps nothing. */
function change(b: Bench, pfn: number, writable: boolean): void {
  const { kvm, cpu, slot } = b;
  const range = hostRange(kvm, slot, slot.baseGfn, slot.baseGfn + 1);
  b.run(invalidateRangeStart(kvm, cpu, range, false));
  b.run(changePte(kvm, cpu, range, pfn, writable));
  b.run(invalidateRangeEnd(kvm, cpu, range));
}

describe('a read-only pte', () => {
  it('replaces the leaf: neither W, M nor H is left, and the TLBs know (B-05)', () => {
    const b = bench();
    const { kvm } = b;
    const pages = kvm.get(KVM.pages);
    const old = b.slot.pfn(b.slot.baseGfn);
    change(b, old + 1, false);
    expect(mapping(b, old)).toBeUndefined();
    const { lo, hi } = mapping(b, old + 1)!;
    const f = kvm.format;
    expect([isHostWritable(f, lo, hi), isMmuWritable(f, lo, hi), isWritable(lo)]).toEqual([
      false,
      false,
      false,
    ]);
    expect(lo & f.accessedLo).toBe(0);
    expect(kvm.get(KVM.pages)).toBe(pages);
    expect(b.seen.flushes).toEqual([{ reason: 'notifier', gfn: b.slot.baseGfn, pages: 1 }]);
  });

  it('replaces the leaf of L1 too', () => {
    const b = bench({ l1Vcpus: 1 });
    b.touch(b.slot.baseGfn, 'write', ROOT_L1, 2);
    const pfn = b.slot.pfn(b.slot.baseGfn) + 1;
    change(b, pfn, false);
    const found = tdpRoots(b.kvm).flatMap((root) =>
      tdpLeavesBelow(b.kvm, root, b.kvm.config.tdpRootLevel, 0),
    );
    const leaf = found.find(({ gfn }) => gfn === b.slot.baseGfn)!;
    expect([
      sptePfn(leaf.lo, leaf.hi),
      isWritable(leaf.lo),
      isMmuWritable(b.kvm.format, leaf.lo, leaf.hi),
    ]).toEqual([pfn, false, false]);
  });
});

describe('a writable pte', () => {
  it('only unmaps', () => {
    const b = bench();
    const old = b.slot.pfn(b.slot.baseGfn);
    change(b, old + 1, true);
    expect([mapping(b, old), mapping(b, old + 1)]).toEqual([undefined, undefined]);
    expect(b.seen.flushes.length).toBe(1);
  });
});

describe('what is told outside of an invalidation', () => {
  it('is not listened to', () => {
    const b = bench();
    const old = b.slot.pfn(b.slot.baseGfn);
    b.run(
      changePte(b.kvm, b.cpu, hostRange(b.kvm, b.slot, b.slot.baseGfn, b.slot.baseGfn + 1), old + 1, false),
    );
    expect(mapping(b, old)).toBeDefined();
    expect(b.counter('changePtes')).toBe(0);
  });
});

describe('the flush', () => {
  it.each([
    ['all pages of a huge leaf', {}, 4],
    ['one page before 6.3 (B-15)', { changedPteFlushPages: () => 1 }, 1],
  ])('names %s', (_what, steps: Partial<Engine>, pages) => {
    const b = new Bench(hostMachine([{ kind: 'mmu-notifier' }]), { ...P1_ENGINE, ...steps });
    // The host has made the whole block read-only where it is.
    change(b, b.slot.config.basePfn, false);
    expect(b.seen.flushes).toEqual([{ reason: 'notifier', gfn: b.slot.baseGfn, pages }]);
    const huge = leaves(b.kvm, 2).find(({ lo, hi }) => sptePfn(lo, hi) === b.slot.config.basePfn)!;
    expect(isWritable(huge.lo)).toBe(false);
  });
});
