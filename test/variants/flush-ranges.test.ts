// What a range backend makes of the ranges that kernels name (kernel-facts 5.5, B-14, B-17, H-E, H-K).
import { describe, expect, it } from 'vitest';
import { disableDirtyLogging, enableDirtyLogging } from '../../src/mmu/dirty-log.ts';
import type { Machine } from '../../src/scenario/build.ts';
import { engineNamed, hunt, shipped } from '../support/hunt.ts';
import { Bench, identity, machineOf, rootOf, type Given } from '../support/machines.ts';

/** Findings about single splits and debts are left out: what counts here is the TLB. */
const TLB_ONLY = { without: ['Q35', 'D20', 'D10', 'D11'] };

/** L1 maps its memory at another address: no L2 gfn is the L1 gfn behind it. */
const shifted = (given: Given = {}): Machine =>
  machineOf(
    rootOf(({ base, huge2, pages }) => [{ l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 }]),
    { backing: '2m', memory: '32K', reschedRate: 0.05, ...given },
  );
const oneToOne = (given: Given = {}): Machine =>
  machineOf(identity(2), { backing: '2m', memory: '32K', reschedRate: 0.05, ...given });

describe('B-14: P0 names the gfn of the page that holds the entry', () => {
  it('which is invisible while flushes are full, and leaves the huge translation over holes with ranges', async () => {
    expect(hunt(await shipped('nx-partial-reuse'), engineNamed('p0'), 400)).toBeUndefined();
    const ranged = await shipped('nx-partial-reuse', { flushBackend: 'range-l2' });
    expect(hunt(ranged, engineNamed('p0'), 400, TLB_ONLY)).toBe('Q50');
    expect(hunt(ranged, engineNamed('p0'), 400, { without: ['Q49', 'Q50'] })).toBe('Q35');
  });

  it.each(['p1', 'p2', 'p3', 'ancestor-2016'])('%s names the right one', async (profile) => {
    const machine = await shipped('nx-partial-reuse', { flushBackend: 'range-l2' });
    expect(hunt(machine, engineNamed(profile), 300)).toBeUndefined();
  });

  it('in the flush of a recycled head too', () => {
    // A 4K page of an indirect table, mapped three times.
    const flushes = (profile: string): number[] => {
      const bench = new Bench(
        machineOf(
          rootOf(
            ({ base }) => [0, 16, 32].map((l2Gfn) => ({ l2Gfn, l1Gfn: base + 1, level: 1, count: 1 })),
            [],
          ),
          { recycleThreshold: 1 },
        ),
        engineNamed(profile),
      );
      for (const l2Gfn of [0, 16, 32]) bench.touch(l2Gfn, 'write');
      return bench.seen.flushes
        .filter(({ reason }) => reason === 'recycle')
        .map(({ gfn }) => gfn - bench.slot.baseGfn);
    };
    expect(flushes('p1')).toEqual([1]);
    expect(flushes('p0')).toEqual([expect.toSatisfy((gfn: number) => gfn < 0)]);
  });
});

describe('H-K: which address a range is compared with', () => {
  it.each(['p1', 'p2'])(
    '%s is sound by L1 gfn only where L1 maps one to one; elsewhere writes are lost',
    (profile) => {
      expect(hunt(oneToOne({ flushBackend: 'range-l1' }), engineNamed(profile), 300)).toBeUndefined();
      const broken = (...without: string[]): string | undefined =>
        hunt(shifted({ flushBackend: 'range-l1' }), engineNamed(profile), 300, { without });
      // A stale translation; a write that no log knows of; a destination that is not the source.
      const seen = ['Q49', 'Q50', 'D11', 'Q46', 'D6'];
      expect(broken(...seen.filter((id) => id !== 'Q49'))).toBe('Q49');
      expect(broken(...seen.filter((id) => id !== 'Q46'))).toBe('Q46');
      expect(broken(...seen.filter((id) => id !== 'D6'))).toBe('D6');
      expect(hunt(shifted({ flushBackend: 'range-l2' }), engineNamed(profile), 300)).toBeUndefined();
    },
  );
});

describe('H-E: what the walker names before it yields', () => {
  it('is short of what a pass over a lower level has zapped, when logging is turned off', async () => {
    const machine = await shipped('log-cycle', { flushBackend: 'range-l2' });
    expect(hunt(machine, engineNamed('p1'), 400, TLB_ONLY)).toBe('Q49');
    expect(hunt(machine, engineNamed('yield-flushes-all'), 400)).toBeUndefined();
    expect(hunt(await shipped('log-cycle'), engineNamed('p1'), 200)).toBeUndefined();
  });

  it('ends with one 4K page of the head it is at; P3 names all of the huge page', () => {
    const last = (names: string): number => {
      const bench = new Bench(machineOf(identity(2), { backing: '1g' }), {
        ...engineNamed(names),
      });
      const { kvm } = bench;
      return kvm.engine.walkYieldPages(kvm, 4 + 1, 2);
    };
    expect([last('p1'), last('p3'), last('yield-flushes-all')]).toEqual([5, 8, 0]);
  });
});

describe('B-17: validate_direct_spte() unlinks a table', () => {
  it.each([
    ['p0', 1],
    ['p1', 16],
  ])('and %s names %i pages of it', (profile, pages) => {
    // A clean 1G page on 2M host pages: read first, so its table is read-only; the write needs another one.
    const bench = new Bench(
      machineOf(
        rootOf(({ base }) => [{ l2Gfn: 0, l1Gfn: base, level: 3, count: 1, dirty: false }], []),
        {
          backing: '2m',
        },
      ),
      engineNamed(profile),
    );
    bench.touch(0, 'read');
    bench.touch(0, 'write');
    expect(bench.seen.flushes.filter(({ reason }) => reason === 'fault')).toEqual([
      { reason: 'fault', gfn: bench.slot.baseGfn, pages },
    ]);
  });
});

describe('the ranges of the other callers', () => {
  it('are the slot for the dirty log, and everything for a profile that flushes everything', () => {
    const bench = new Bench(oneToOne({ reschedRate: 0 }), engineNamed('p2'));
    bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
    bench.run(disableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
    const { baseGfn, npages } = bench.slot;
    expect(bench.seen.flushes).toEqual([
      { reason: 'split', gfn: baseGfn, pages: 0 },
      { reason: 'split', gfn: baseGfn + 4, pages: 0 },
      { reason: 'end-of-ioctl', gfn: baseGfn, pages: npages },
      { reason: 'log-off', gfn: baseGfn, pages: npages },
    ]);
  });

  it.each([
    'aging',
    'both-mmus',
    'l1-remap',
    'memslot-delete',
    'notifier-unmap',
    'page-migration',
    'reclaim-at-limit',
    'zap-all',
  ])('leave nothing stale in %s, with and without a paging-structure cache', async (scenario) => {
    for (const psc of [0, 8]) {
      const machine = await shipped(scenario, { flushBackend: 'range-l2', psc });
      // Without H-E, which is in all of them whose walks may yield.
      expect(hunt(machine, engineNamed('p1+yield-flushes-all'), 40)).toBeUndefined();
    }
  });
});
