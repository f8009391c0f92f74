// Heads with several entries: the order of splits, shared children, parent lists (kernel-facts 3.4, 3.8; recordings 2 to 4).
import { describe, expect, it } from 'vitest';
import { EAGAIN } from '../../../src/mmu/errno.ts';
import { enableDirtyLogging } from '../../../src/mmu/dirty-log.ts';
import { pteListDescs, pteListEntries } from '../../../src/mmu/pte-list.ts';
import { parentPtesWord, spRole, spteIndex } from '../../../src/mmu/shadow-page.ts';
import { roleLevel } from '../../../src/mmu/role.ts';
import { activePages, aliases, Bench, leaves, machineOf, type Given } from '../../support/machines.ts';

const PERMS = ['rwx', 'rx', 'rw', 'r'] as const;

/** Splits `count` aliases of one 2M page and tells by their L2 index which was split when. */
function order(count: number, given: Given, perms?: typeof PERMS): { order: number[]; bench: Bench } {
  const bench = new Bench(machineOf(aliases(count, perms), { backing: '2m', memory: '16K', ...given }));
  const { kvm, slot } = bench;
  const listed = pteListEntries(kvm, slot.rmapWord(slot.baseGfn, 2));
  bench.run(enableDirtyLogging(kvm, bench.cpu, slot));
  const splits = bench.seen.splits.filter(({ errno }) => errno === 0);
  return { order: splits.map(({ sptep }) => listed.indexOf(sptep)), bench };
}

const children = ({ kvm }: Bench): number[] =>
  activePages(kvm).filter((sp) => roleLevel(spRole(kvm, sp)) === 1);

describe('the order in which the entries of a head are split', () => {
  it.each([
    ['with a shared child', undefined],
    ['with a child each', PERMS],
  ])('is 0, 3, 2, 1 for four aliases %s', (_what, perms) => {
    expect(order(4, {}, perms).order).toEqual([0, 3, 2, 1]);
  });

  it('is 0, 13 down to 1, and then the next descriptor in the same way, for 33 aliases', () => {
    const down = (from: number, to: number): number[] =>
      Array.from({ length: from - to + 1 }, (_, i) => from - i);
    const { order: splits, bench } = order(33, { rootLevel: 4 });
    expect(splits).toEqual([0, ...down(13, 1), 14, ...down(27, 15), 28, ...down(32, 29)]);
    expect(bench.counter('restarts')).toBe(33 + 1);
  });

  it('is the same with tables of 512 entries', () => {
    expect(order(4, { tableBits: 9, memory: '2M' }, PERMS).order).toEqual([0, 3, 2, 1]);
    expect(order(33, { tableBits: 9, memory: '2M' }).order.slice(0, 3)).toEqual([0, 13, 12]);
  });
});

describe('aliases of equal access', () => {
  it('share one child: one new page, the rest reused, no flush, and each is a parent', () => {
    const { bench } = order(33, { rootLevel: 4 });
    const { kvm } = bench;
    expect([bench.counter('spNew'), bench.counter('spReused'), bench.counter('flushSplit')]).toEqual([
      1, 32, 0,
    ]);
    const [child] = children(bench);
    expect(children(bench).length).toBe(1);
    expect(pteListDescs(kvm, parentPtesWord(kvm, child!))).toEqual([14, 14, 5]);
    expect(new Set(pteListEntries(kvm, parentPtesWord(kvm, child!))).size).toBe(33);
    expect(leaves(kvm, 1).length).toBe(4);
  });

  it('take a descriptor for the second parent and then each time the last one is full', () => {
    const taken = (count: number): number => {
      const { bench } = order(count, { rootLevel: 4 });
      return pteListDescs(bench.kvm, parentPtesWord(bench.kvm, children(bench)[0]!)).length;
    };
    expect([1, 2, 14, 15, 28, 29].map(taken)).toEqual([0, 1, 1, 2, 2, 3]);
  });
});

describe('aliases of different access', () => {
  it('get a child each, and every 4K head becomes a list', () => {
    const { bench } = order(4, {}, PERMS);
    const { kvm, slot } = bench;
    expect([bench.counter('spNew'), bench.counter('spReused'), children(bench).length]).toEqual([4, 0, 4]);
    for (let gfn = slot.baseGfn; gfn < slot.baseGfn + 4; gfn++) {
      expect(pteListDescs(kvm, slot.rmapWord(gfn, 1))).toEqual([4]);
      expect(pteListEntries(kvm, slot.rmapWord(gfn, 1)).map((sptep) => spteIndex(kvm, sptep))).toEqual(
        Array.from({ length: 4 }, () => gfn - slot.baseGfn),
      );
    }
  });

  it('on x86 use 512 descriptors for the second child: the third attempt has to fill the cache (recordings, 3)', () => {
    const { bench } = order(4, { tableBits: 9, memory: '2M' }, PERMS);
    expect(bench.errnos()).toEqual([EAGAIN, 0, 0, EAGAIN, 0, 0]);
  });
});
