// The iTLB multihit mitigation and the reuse of a partly filled child (kernel-facts 3.9, 7.4-7; recordings 7 to 9).
import { describe, expect, it } from 'vitest';
import { enableDirtyLogging } from '../../../src/mmu/dirty-log.ts';
import { isExecutable } from '../../../src/mmu/format.ts';
import { roleLevel } from '../../../src/mmu/role.ts';
import { dropSpte } from '../../../src/mmu/rmap.ts';
import { pageGetGfn, SP_NX_DISALLOWED, spFlags, spRole } from '../../../src/mmu/shadow-page.ts';
import { activePages, Bench, identity, leaves, machineOf, rootOf } from '../../support/machines.ts';

const enable = (bench: Bench): number => bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));

/** Two aliases of one 1G page; A was executed at one page, B was written. */
const partial = (aliases = 2): Bench =>
  new Bench(
    machineOf(
      rootOf(
        ({ base, huge3 }) =>
          Array.from({ length: aliases }, (_, i) => ({
            l2Gfn: i * huge3,
            l1Gfn: base,
            level: 3 as const,
            count: 1,
          })),
        [
          { access: 'exec', l2Gfn: 5 },
          ...Array.from({ length: aliases - 1 }, (_, i) => ({
            access: 'write' as const,
            l2Gfn: (i + 1) * 16,
          })),
        ],
      ),
      { nx: true, memory: '64K' },
    ),
  );

describe('with the mitigation on', () => {
  it('no huge page is executable, before and after 1G to 2M; 4K pages are', () => {
    const bench = new Bench(machineOf(identity(3), { nx: true }));
    const exec = (level: number): boolean[] =>
      leaves(bench.kvm, level).map(({ lo, hi }) => isExecutable(bench.kvm.format, lo, hi));
    expect(exec(3)).toEqual([false]);
    const seen: boolean[] = [];
    bench.seen.splitLinked = () => void seen.push(...exec(2), ...exec(3));
    enable(bench);
    expect([seen.length > 0, seen.includes(true)]).toEqual([true, false]);
    expect(exec(1)).toEqual(Array.from({ length: 16 }, () => true));
  });

  it('pages made by the split are not on the NX list, while those made by a fetch are', () => {
    const bench = partial();
    const marked = (): number[] =>
      activePages(bench.kvm).filter((sp) => (spFlags(bench.kvm, sp) & SP_NX_DISALLOWED) !== 0);
    const before = marked();
    expect(before.map((sp) => roleLevel(spRole(bench.kvm, sp))).sort((a, b) => a - b)).toEqual([1, 2]);
    enable(bench);
    expect(marked()).toEqual(before);
  });
});

describe('a reused child that is partly filled', () => {
  it('gets what is missing, keeps its table, and costs the flush that P1 is left with', () => {
    const bench = partial();
    const { kvm, slot } = bench;
    enable(bench);
    // The 4K table of the fetch stays as it was: 4 of its entries were prefetched. The other three 2M pages are split.
    expect(bench.seen.flushes).toEqual([
      { reason: 'split', gfn: slot.baseGfn, pages: 16 },
      { reason: 'end-of-ioctl', gfn: slot.baseGfn, pages: 16 },
    ]);
    expect([bench.counter('spReused'), bench.counter('spNew'), leaves(kvm, 2).length]).toEqual([1, 3, 0]);
    expect(new Set(leaves(kvm, 1).map(({ sp, index }) => pageGetGfn(kvm, sp, index))).size).toBe(16);
  });

  it('flushes again for each further alias', () => {
    const bench = partial(4);
    enable(bench);
    expect([bench.counter('flushSplit'), bench.counter('spReused')]).toEqual([3, 3]);
  });

  it('leaves holes below: the split never fills a table of 4K pages that it did not make', () => {
    // Prefetch fills a window of four here, which is the whole table; so one entry is taken out by hand.
    const bench = partial();
    const { kvm, cpu } = bench;
    const victim = leaves(kvm, 1)[0]!;
    bench.run(kvm.writeLock(cpu));
    dropSpte(kvm, cpu, victim.sptep);
    bench.run(kvm.writeUnlock(cpu));
    enable(bench);
    expect(kvm.w[victim.sptep * 2]).toBe(0);
    expect(leaves(kvm, 1).length).toBe(15);
  });
});
