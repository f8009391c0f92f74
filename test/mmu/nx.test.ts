// kernel-facts 1.6, 2.4, A20, Q33, B-22, B-54, B-59: the list of nx-disallowed pages and its recovery.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { enableDirtyLogging } from '../../src/mmu/dirty-log.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { KVM } from '../../src/mmu/kvm.ts';
import { isNxDisallowed, nxDisallowedPages } from '../../src/mmu/nx-list.ts';
import { accountHugeNxPage, recoverNxHugePages, unaccountHugeNxPage } from '../../src/mmu/nx.ts';
import { zapPages } from '../../src/mmu/shadow/zap.ts';
import { skipDirtyTracked } from '../../src/mmu/vm-wide-steps.ts';
import { activePages, Bench, identity, leaves, machineOf, type Given } from '../support/machines.ts';

/** Four 2M pages, of which the first `split` were fetched from. */
function fetched(split: number, given: Given = {}, engine: Partial<Engine> = {}): Bench {
  const bench = new Bench(machineOf(identity(2), { nx: true, backing: '2m', nxRecoveryRatio: 1, ...given }), {
    ...P1_ENGINE,
    ...engine,
  });
  for (let page = 0; page < split; page++) {
    expect(bench.touch(bench.slot.baseGfn + page * bench.kvm.entries, 'exec')).toBe(true);
  }
  return bench;
}

describe('the list of nx-disallowed pages', () => {
  it('is a queue whatever is added and removed', () => {
    const bench = new Bench(machineOf(identity(2), { backing: '2m', memory: '256K', rootLevel: 4 }));
    const { kvm, cpu } = bench;
    bench.run(enableDirtyLogging(kvm, cpu, bench.slot));
    const pages = activePages(kvm);
    expect(pages.length).toBeGreaterThan(8);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 8 }))), (changes) => {
        let expected = nxDisallowedPages(kvm);
        for (const [add, at] of changes) {
          const sp = pages[at]!;
          if (add) accountHugeNxPage(kvm, cpu, sp);
          else unaccountHugeNxPage(kvm, sp);
          if (add && !expected.includes(sp)) expected.push(sp);
          else if (!add) expected = expected.filter((other) => other !== sp);
          expect(nxDisallowedPages(kvm)).toEqual(expected);
          expect(kvm.get(KVM.nxCount)).toBe(expected.length);
          expect(isNxDisallowed(kvm, sp)).toBe(add);
        }
      }),
    );
  });

  it('holds what a fetch split, oldest first, and nothing an eager split made', () => {
    const bench = fetched(2);
    const { kvm, cpu, slot } = bench;
    expect([kvm.get(KVM.nxCount), bench.counter('nxSplits')]).toEqual([2, 2]);
    bench.run(enableDirtyLogging(kvm, cpu, slot));
    expect(kvm.get(KVM.nxCount)).toBe(2);
  });

  it('loses a page that is zapped', () => {
    const bench = fetched(2);
    const { kvm, cpu } = bench;
    bench.run(kvm.writeLock(cpu));
    bench.run(zapPages(kvm, cpu, [nxDisallowedPages(kvm)[0]!]));
    bench.run(kvm.writeUnlock(cpu));
    expect(nxDisallowedPages(kvm).length).toBe(1);
  });
});

describe('the recovery worker', () => {
  it.each([
    [1, 3, 3],
    [2, 3, 2],
    [60, 3, 1],
  ])('with ratio %i zaps of %i pages %i, rounded up', (nxRecoveryRatio, pages, zapped) => {
    const bench = fetched(pages, { nxRecoveryRatio });
    const oldest = nxDisallowedPages(bench.kvm);
    expect(bench.run(recoverNxHugePages(bench.kvm, bench.cpu))).toBe(zapped);
    expect(nxDisallowedPages(bench.kvm)).toEqual(oldest.slice(zapped));
  });

  it('lets the next read be huge again', () => {
    const bench = fetched(1);
    const huge = leaves(bench.kvm, 2).length;
    bench.run(recoverNxHugePages(bench.kvm, bench.cpu));
    bench.touch(bench.slot.baseGfn, 'read');
    expect(leaves(bench.kvm, 2).length).toBe(huge + 1);
  });

  it('leaves dirty-tracked pages alone from 6.2 on, and takes them off the list (B-59)', () => {
    const zapped = (engine: Partial<Engine>): readonly [zapped: number, left: number] => {
      const bench = fetched(2, {}, engine);
      bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
      return [bench.run(recoverNxHugePages(bench.kvm, bench.cpu)), bench.kvm.get(KVM.nxCount)];
    };
    expect(zapped({})).toEqual([2, 0]);
    expect(zapped({ nxRecoverySkips: skipDirtyTracked })).toEqual([0, 0]);
  });

  it('flushes before each yield and at the end (B-22)', () => {
    const bench = fetched(3, { reschedRate: 1 });
    bench.seen.flushes.length = 0;
    bench.run(recoverNxHugePages(bench.kvm, bench.cpu));
    expect(bench.seen.flushes.map(({ reason }) => reason)).toEqual(['zap', 'zap', 'zap']);
  });
});
