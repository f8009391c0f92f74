// P3, P4 and the ancestor: flushes that are put off (kernel-facts 9.4, C3, C6), and each place at which one can be forgotten.
import { describe, expect, it } from 'vitest';
import { enableDirtyLogging } from '../../src/mmu/dirty-log.ts';
import { EAGAIN, EEXIST } from '../../src/mmu/errno.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { roleDirect } from '../../src/mmu/role.ts';
import { spRole } from '../../src/mmu/shadow-page.ts';
import { findVariant } from '../../src/variants/index.ts';
import { engineNamed, hunt, shipped } from '../support/hunt.ts';
import {
  activePages,
  aliases,
  Bench,
  identity,
  leaves,
  machineOf,
  rootOf,
  type Given,
} from '../support/machines.ts';

const enabled = (spec: Parameters<typeof machineOf>[0], engine: Engine, given: Given = {}): Bench => {
  const bench = new Bench(machineOf(spec, { backing: '2m', ...given }), engine);
  bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
  return bench;
};
const splitFlushes = (bench: Bench): number[][] => {
  const { baseGfn } = bench.slot;
  return bench.seen.flushes.flatMap(({ reason, gfn, pages }) =>
    reason === 'split' ? [[gfn - baseGfn, pages]] : [],
  );
};

describe('P3', () => {
  it('flushes once for all splits of a hold, over the range of whole huge pages', () => {
    const bench = enabled(identity(2), engineNamed('p3'));
    expect([bench.counter('splitOk'), splitFlushes(bench)]).toEqual([4, [[0, 16]]]);
    expect(splitFlushes(enabled(identity(2), engineNamed('p2')))).toHaveLength(4);
  });

  it('flushes once per dropped lock in which something was split', () => {
    // need_resched() is true at every check: each attempt is one hold.
    let asked = 0;
    const p3 = engineNamed('p3');
    const bench = enabled(identity(2), {
      ...p3,
      needTopupSplitCachesOrResched: (kvm, cpu, caches) =>
        p3.needTopupSplitCachesOrResched(kvm, cpu, caches) || asked++ % 2 === 1,
    });
    expect(bench.errnos().filter((errno) => errno === EAGAIN).length).toBeGreaterThan(2);
    expect(splitFlushes(bench)).toEqual([
      [0, 4],
      [4, 4],
      [8, 4],
      [12, 4],
    ]);
  });

  it.each([
    ['nx-partial-reuse', 1500, {}],
    ['nx-partial-reuse', 700, { manual: 'initially-set' }],
    ['nx-partial-reuse', 300, { mmuPages: 10 }],
    ['nx-partial-reuse', 500, { flushBackend: 'range-l2' }],
    ['alias-mixed-access', 300, { recycleThreshold: 1, flushBackend: 'range-l2' }],
    ['both-mmus', 100, { manual: 'initially-set' }],
    ['notifier-unmap', 200, {}],
    ['kitchen-sink', 40, {}],
  ])('is clean in %s, %i schedules, %o', async (scenario, schedules, given) => {
    expect(hunt(await shipped(scenario, given), engineNamed('p3'), schedules)).toBeUndefined();
  });
});

describe('P3 that forgets a place', () => {
  it.each(['f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f9'])(
    '%s leaves a hole behind a translation that lives on',
    async (place) => {
      const name = `p3-without-${place}`;
      const variant = findVariant(name)!;
      const machine = await shipped(variant.scenario!, variant.parameters);
      const engine = engineNamed(name);
      const first = hunt(machine, engine, 2000);
      expect(variant.caughtBy).toContain(first);
      expect(first).toBe('Q35');
      // The debt itself, when nobody looks at the split; the TLB, when nobody looks at the debt.
      expect(hunt(machine, engine, 2000, { without: ['Q35'] })).toBe('D20');
      expect(hunt(machine, engine, 4000, { without: ['Q35', 'D20'] })).toBe('Q50');
      expect(hunt(machine, engineNamed('p3'), 200)).toBeUndefined();
    },
  );

  it('F7 only names more than it has to: the zap of an unsync page was a full flush', () => {
    // The second split meets an unsync page, as one above 4K may. Any page of level 1 will do.
    const ranges = (name: string): number[][] => {
      const engine = engineNamed(name);
      const bench = new Bench(
        machineOf(
          ({ base, huge2 }) => ({
            roots: [
              { name: 'L2', mappings: [{ l2Gfn: 0, l1Gfn: base, level: 2, count: 2 }] },
              { name: 'other', mappings: [{ l2Gfn: 0, l1Gfn: base + 2 * huge2, level: 1, count: 1 }] },
            ],
            populate: 'all',
          }),
          { backing: '2m' },
        ),
        {
          ...engine,
          getSpForSplit: (pass, sptep) => {
            const other = activePages(pass.kvm).find(
              (sp) => (spRole(pass.kvm, sp) & 0xf) === 1 && !roleDirect(spRole(pass.kvm, sp)),
            );
            if (pass.owes && other !== undefined) pass.unsyncHits.push(other);
            return engine.getSpForSplit(pass, sptep);
          },
        },
      );
      bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
      expect(bench.counter('flushZap')).toBe(1);
      return splitFlushes(bench);
    };
    expect(ranges('p3')).toEqual([[4, 4]]);
    expect(ranges('p3-without-f7')).toEqual([[0, 8]]);
  });

  it('F8: with ranges, the flush of a recycled head is not the one that is owed', () => {
    // Two huge aliases and one of 4K: the second child makes every list one too long.
    const machine = machineOf(
      rootOf(({ base, huge2, pages }) => [
        { l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 },
        { l2Gfn: pages, l1Gfn: base, level: 2, count: pages / huge2, perm: 'rx' },
        { l2Gfn: 2 * pages, l1Gfn: base, level: 1, count: pages },
      ]),
      { backing: '2m', recycleThreshold: 1, memory: '32K', reschedRate: 0.01, flushBackend: 'range-l2' },
    );
    expect(hunt(machine, engineNamed('p3-recycle-discharges'), 500)).toBe('Q35');
    expect(hunt(machine, engineNamed('p3'), 200)).toBeUndefined();
  });
});

describe('flush accounting (D24)', () => {
  it.each(['P0', 'P1', 'P4'] as const)('takes P3 that says it is %s for broken', async (profile) => {
    const machine = await shipped('nested-migration');
    expect(hunt(machine, { ...engineNamed('p3'), profile }, 20)).toBe('D24');
  });

  it('takes P2 that says it is P3 for one that flushes with nothing owed, and P4 for one that does not flush', async () => {
    const machine = await shipped('nested-migration');
    const twice: Engine = {
      ...engineNamed('p3'),
      splitNeedsFlush: () => true,
    };
    expect(hunt(machine, twice, 20)).toBe('D24');
    expect(hunt(machine, { ...engineNamed('p2'), profile: 'P4' }, 20)).toBe('D24');
    expect(hunt(machine, engineNamed('p4'), 200)).toBeUndefined();
  });
});

describe('P4', () => {
  it('is unsound where a child is reused (C3), and clean where none is', async () => {
    expect(hunt(await shipped('nx-partial-reuse'), engineNamed('p4'), 500)).toBe('Q35');
    expect(hunt(await shipped('alias-mixed-access'), engineNamed('p4'), 300)).toBeUndefined();
  });
});

describe('the ancestor', () => {
  it('leaves an alias huge whose child exists already', () => {
    const bench = enabled(aliases(3), engineNamed('ancestor-2016'));
    expect(bench.errnos().filter((errno) => errno !== EAGAIN)).toEqual([0, EEXIST, EEXIST]);
    expect([leaves(bench.kvm, 2).length, bench.counter('spReused')]).toEqual([2, 0]);
    expect(enabled(aliases(3), engineNamed('p1')).counter('spReused')).toBe(2);
  });

  it('leaves entries non-present whose gfn is mapped already, and takes no descriptor', () => {
    const bench = enabled(aliases(2, ['rwx', 'r']), engineNamed('ancestor-2016'));
    expect([leaves(bench.kvm, 2).length, leaves(bench.kvm, 1).length]).toEqual([0, 4]);
    expect(leaves(enabled(aliases(2, ['rwx', 'r']), engineNamed('p1')).kvm, 1)).toHaveLength(8);
    expect(bench.seen.flushes.map(({ reason }) => reason)).toEqual(['split', 'end-of-ioctl']);
  });

  it.each([
    ['alias-same-access', 300],
    ['alias-mixed-access', 300],
    ['nx-partial-reuse', 300],
    ['notifier-unmap', 150],
    ['reclaim-at-limit', 150],
  ])('is clean in %s, %i schedules', async (scenario, schedules) => {
    expect(hunt(await shipped(scenario), engineNamed('ancestor-2016'), schedules)).toBeUndefined();
  });
});
