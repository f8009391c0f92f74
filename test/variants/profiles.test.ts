// Flush accounting by profile (D24), on machines with known numbers of splits.
import { describe, expect, it } from 'vitest';
import { enableDirtyLogging } from '../../src/mmu/dirty-log.ts';
import { engineOf, findVariant } from '../../src/variants/index.ts';
import { buildMachine, type Machine } from '../../src/scenario/build.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { Bench, identity, machineOf, rootOf } from '../support/machines.ts';

function enabled(machine: Machine, profile: string): Bench {
  const bench = new Bench(machine, engineOf([findVariant(profile)!]));
  bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
  expect(bench.counter('splitOk')).toBeGreaterThan(0);
  return bench;
}

describe.each(['p0', 'p1', 'p2'])('profile %s', (profile) => {
  const always = profile !== 'p1';

  it.each(['alias-same-access', 'alias-mixed-access', 'nested-migration', 'two-roots'])(
    `flushes ${always ? 'once for each split' : 'for no split'} in %s`,
    async (name) => {
      const bench = enabled(buildMachine(await loadScenario(name), 'explore', { reschedRate: 0 }), profile);
      expect(bench.counter('flushSplit')).toBe(always ? bench.counter('splitOk') : 0);
      expect(bench.counter('flushes')).toBe(bench.counter('flushSplit') + 1);
    },
  );

  it(`flushes ${always ? 'for every split' : 'once: for the reused child that has tables'} in nx-partial-reuse`, async () => {
    const bench = enabled(
      buildMachine(await loadScenario('nx-partial-reuse'), 'explore', { reschedRate: 0 }),
      profile,
    );
    expect([bench.counter('splitOk'), bench.counter('spReused')]).toEqual([4, 1]);
    expect(bench.counter('flushSplit')).toBe(always ? 4 : 1);
  });
});

describe('what else the profiles differ in', () => {
  it('P0 names the gfn of the table that holds the entry, which is wrong for indirect ones (B-14); P2 the right one', () => {
    const machine = machineOf(identity(2), { backing: '2m' });
    const gfns = (profile: string): number[] =>
      enabled(machine, profile)
        .seen.flushes.filter(({ reason }) => reason === 'split')
        .map(({ gfn }) => gfn - machine.config.slots[1]!.baseGfn);
    expect(gfns('p2')).toEqual([0, 4, 8, 12]);
    expect(new Set(gfns('p0')).size).toBe(1);
    expect(gfns('p0')[0]).toBeLessThan(0);
  });

  it('P0 leaves out the flush at the end of enabling when write protection changed nothing (B-03)', () => {
    const readOnly = machineOf(
      rootOf(({ base, huge2, pages }) => [
        { l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2, perm: 'r' },
      ]),
      { backing: '2m' },
    );
    const flushes = (profile: string): number => enabled(readOnly, profile).counter('flushEndOfIoctl');
    expect([flushes('p0'), flushes('p1'), flushes('p2')]).toEqual([0, 1, 1]);
  });
});
