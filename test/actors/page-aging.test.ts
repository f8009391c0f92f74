// Aging against vCPUs, split and migration (A12, B-03, H-C), under mmu_lock and without it.
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../src/mmu/engine.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { engineOf, findVariant } from '../../src/variants/index.ts';
import type { CastSpec } from '../../src/scenario/define.ts';
import { hostMachine, runHost } from '../support/host.ts';
import type { Given } from '../support/machines.ts';

const AGING: readonly CastSpec[] = [{ kind: 'page-aging' }];
const NO_AD: Given = { hostAdBits: false };
const LOCKLESS = engineOf([findVariant('lockless-aging-6.15')!]);

describe.each<[string, Engine]>([
  ['under mmu_lock', P1_ENGINE],
  ['without mmu_lock (6.15)', LOCKLESS],
])('aging %s', (_how, engine) => {
  it.each<[string, Given, readonly CastSpec[]]>([
    ['with A bits', {}, AGING],
    ['without', NO_AD, AGING],
    ['with L1', { l1Vcpus: 1 }, AGING],
    ['with L1, without A bits', { l1Vcpus: 1, ...NO_AD }, AGING],
    ['with notifiers, without A bits', NO_AD, [...AGING, ...AGING, { kind: 'mmu-notifier' }]],
    [
      'with short lists and the log going off and on',
      { ...NO_AD, recycleThreshold: 2 },
      [...AGING, { kind: 'log-toggle' }],
    ],
    ['of executable pages under the NX mitigation', { ...NO_AD, nx: true, execFraction: 0.3 }, AGING],
  ])('breaks nothing %s', (_what, given, cast) => {
    const runs = runHost(hostMachine(cast, given), { engine });
    expect(runs.ids).toEqual([]);
    expect([runs.count('pagesAged') > 0, runs.count('flushAge') > 0, runs.count('splitOk') > 0]).toEqual([
      true,
      true,
      true,
    ]);
  });
});

describe('the fast path of L1', () => {
  it('gives an aged page its permissions back without mmu_lock', () => {
    const runs = runHost(hostMachine(AGING, { l1Vcpus: 1, castRounds: 12, ...NO_AD }));
    expect([runs.ids, runs.count('fastPageFaults') > 0]).toEqual([[], true]);
  });
});

describe('what goes wrong', () => {
  it('leaves a writable TLB entry when logging is enabled without a flush over aged pages (B-03, H-C)', () => {
    const clearYoung: readonly CastSpec[] = [{ kind: 'page-aging', weights: { clearYoung: 1 } }];
    const found = (variant: string, given: Given): readonly string[] => {
      const machine = hostMachine(clearYoung, { castRounds: 8, eager: false, memory: '16K', ...given });
      return runHost(machine, { engine: engineOf([findVariant(variant)!]), schedules: 40 }).ids;
    };
    expect(found('p0', NO_AD)).toEqual(['D11']);
    expect([found('p1', NO_AD), found('p0', {})]).toEqual([[], []]);
  });

  it('loses the dirty state of the host page if aging does not pass it on (Q47)', () => {
    const engine: Partial<Engine> = {
      *markForAccessTracking(kvm, cpu, sptep, lo, hi) {
        const { hostPageInherits } = kvm.observer;
        kvm.observer.hostPageInherits = () => undefined;
        const young = yield* P1_ENGINE.markForAccessTracking(kvm, cpu, sptep, lo, hi);
        kvm.observer.hostPageInherits = hostPageInherits;
        return young;
      },
    };
    expect(runHost(hostMachine(AGING, NO_AD), { engine }).ids).toContain('Q47');
  });

  it('brings zapped entries back if aging without mmu_lock does not compare (9fb13ba6b5ff)', () => {
    const engine: Partial<Engine> = { ...LOCKLESS, markForAccessTracking: P1_ENGINE.markForAccessTracking };
    const notifier: CastSpec = { kind: 'mmu-notifier' };
    const cast: readonly CastSpec[] = [...AGING, ...AGING, notifier, notifier];
    const { ids } = runHost(hostMachine(cast, { ...NO_AD, castRounds: 12 }), { engine, schedules: 80 });
    expect(ids.length).toBeGreaterThan(0);
  });
});
