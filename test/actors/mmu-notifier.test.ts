// The host against vCPUs, split and migration (A9 to A11, 5.4): clean in the kernel's way, caught in every other.
import { describe, expect, it } from 'vitest';
import { leafCheck } from '../../src/check/leaves.ts';
import { flushDebts } from '../../src/check/steps-flush.ts';
import { installs } from '../../src/check/steps-install.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { KVM } from '../../src/mmu/kvm.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import type { CastSpec } from '../../src/scenario/define.ts';
import { hostMachine, runHost, type HostRunOptions } from '../support/host.ts';
import { controlledOf, identity, type Given } from '../support/machines.ts';

const HOST: readonly CastSpec[] = [{ kind: 'mmu-notifier' }];
const TWO: readonly CastSpec[] = [...HOST, ...HOST];
/** What the model itself reports: D7 by a poisoned frame, D6 by a page that differs, kernel bugs. */
const ALONE: HostRunOptions = { stateChecks: [], stepChecks: [] };

const ids = (given: Given, options: HostRunOptions, cast = HOST): readonly string[] =>
  runHost(hostMachine(cast, given), options).ids;

describe('the host at work', () => {
  it.each<[string, Given, readonly CastSpec[]]>([
    ['alone', { castRounds: 12 }, HOST],
    ['twice at once', { vcpus: 3 }, TWO],
    ['with L1', { l1Vcpus: 1 }, HOST],
    [
      'with L1, without A and D bits, and aging',
      { l1Vcpus: 1, hostAdBits: false },
      [...HOST, { kind: 'page-aging' }],
    ],
    [
      'with initially-set logging and the NX mitigation',
      { manual: 'initially-set', nx: true, execFraction: 0.3 },
      HOST,
    ],
    ['with dirty rings', { dirtyRing: 16, l1Vcpus: 1 }, HOST],
    ['with npt', { format: 'npt', l1Vcpus: 1 }, HOST],
    ['behind 1G pages', { backing: '1g', memory: '128K', rootLevel: 4 }, TWO],
    ['with the log going off and on', {}, [...HOST, { kind: 'log-toggle' }]],
  ])('breaks nothing %s, and no page is lost', (_what, given, cast) => {
    const runs = runHost(hostMachine(cast, given));
    expect(runs.ids).toEqual([]);
    for (const counter of [
      'pagesMoved',
      'pagesSwapped',
      'changePtes',
      'staleFaults',
      'migrations',
    ] as const) {
      expect([counter, runs.count(counter) > 0]).toEqual([counter, true]);
    }
  });

  it('comes to collapse pages, and to make them writable in place', () => {
    const weights = { migrate: 1, cow: 1, writableInPlace: 2, collapse: 6 };
    const runtime = controlledOf(hostMachine([{ kind: 'mmu-notifier', weights }], { castRounds: 12 }));
    const { kvm } = runtime;
    const words: number[] = [];
    let back = 0;
    for (let schedule = 0; schedule < 20; schedule++) {
      words.length = 0;
      runtime.run(new RandomWalk(3), 3, schedule, {
        operation: (cpu, _op, word, value) => {
          const { hostMap } = kvm.slots[1]!.layout;
          if (cpu.name === 'mmu-notifier' && word >= hostMap && word < hostMap + 16 && value === 0) back++;
        },
      });
    }
    expect(back).toBeGreaterThan(0);
  });

  it('makes no move on a slot that is not there', () => {
    const machine = hostMachine([{ kind: 'mmu-notifier', slots: [2] }], {}, (units) => ({
      ...identity(2)(units),
      extraSlots: [{ pages: 4, gone: true }],
    }));
    const runs = runHost(machine);
    expect([runs.ids, runs.count('invalidations')]).toEqual([[], 0]);
  });
});

describe('a notifier that does not flush', () => {
  const engine: Partial<Engine> = { flushAfterUnmap: () => false };

  it('lets guests at frames that are free (D7), or at pages that are no longer theirs (D6)', () => {
    expect(ids({}, { engine, ...ALONE })).toContain('D7');
  });

  it('owes it when it drops mmu_lock (D20)', () => {
    expect(ids({}, { engine, stateChecks: [], stepChecks: [flushDebts] })).toContain('D20');
  });
});

describe('a fault that does not look whether its page has moved', () => {
  it.each<[string, Partial<Engine>]>([
    ['at all', { invalidateRetry: () => false }],
    ['while the notifier runs', { invalidateRetry: (kvm, _gfn, seq) => seq !== kvm.get(KVM.invalidateSeq) }],
  ])('%s maps a frame that is free', (_when, engine) => {
    expect(ids({}, { engine, schedules: 60, ...ALONE })).toContain('D7');
    expect(ids({}, { engine, schedules: 60, stateChecks: [leafCheck], stepChecks: [] })).toContain('Q24');
    expect(ids({}, { engine, schedules: 60, stateChecks: [], stepChecks: [installs] })).toContain('D17');
  });

  it('because a second notifier has overwritten the range of the first (B-40)', () => {
    const engine: Partial<Engine> = {
      recordInvalidateRange(kvm, start, end) {
        kvm.put(KVM.invalidateStart, start);
        kvm.put(KVM.invalidateEnd, end);
      },
    };
    const given = { schedules: 120, ...ALONE, engine };
    expect(ids({}, given, [...TWO, ...HOST])).toContain('D7');
  });

  it('because the sequence has one bit and has come around (seqWidthSmall)', () => {
    const stateChecks = [leafCheck];
    const found = ids({ seqBits: 1, castRounds: 12 }, { schedules: 120, stateChecks, stepChecks: [] }, TWO);
    expect(found).toContain('Q24');
  });
});

describe('a sequence that is cut to a signed number (B-39)', () => {
  it('keeps a vCPU in its fault for ever', () => {
    const signed = (_kvm: unknown, seq: number): number => ((seq & 2) !== 0 ? seq - 4 : seq);
    const run = (engine: Engine): Set<string> => {
      const found = new Set<string>();
      const spec = hostMachine(HOST, { ops: 12, seqBits: 2, castRounds: 8 }, (units) => ({
        ...identity(2, [])(units),
        migration: false,
      }));
      const runtime = controlledOf(spec, { engine, livelockSteps: 3000 });
      for (let schedule = 0; schedule < 10; schedule++) {
        for (const { id } of runtime.run(new RandomWalk(7), 7, schedule).violations) found.add(id);
      }
      return found;
    };
    expect([...run({ ...P1_ENGINE, snapshotSeq: signed })]).toEqual(['livelock']);
    expect([...run(P1_ENGINE)]).toEqual([]);
  });
});

describe('a changed pte that stays MMU-writable (B-05)', () => {
  const keeps = (host: boolean): Partial<Engine> => ({
    changedPteSpte(kvm, cpu, lo, hi, pfn) {
      const f = kvm.format;
      P1_ENGINE.changedPteSpte(kvm, cpu, lo, hi, pfn);
      cpu.lo |= lo & (f.mmuWritableLo | (host ? f.hostWritableLo : 0));
      cpu.hi |= hi & (f.mmuWritableHi | (host ? f.hostWritableHi : 0));
    },
  });
  const cast: readonly CastSpec[] = [{ kind: 'mmu-notifier', weights: { cow: 1 } }];

  it.each([
    [false, 'Q27'],
    [true, 'Q29'],
  ])('is no legal entry (host-writable too: %j)', (host, id) => {
    expect(ids({}, { engine: keeps(host), stateChecks: [leafCheck], stepChecks: [] }, cast)).toEqual([id]);
  });
});

describe('an unmapping of the TDP MMU that forgets its flush when it yields (B-21)', () => {
  it('owes it when it drops mmu_lock', () => {
    const engine: Partial<Engine> = { tdpFlushBeforeYield: () => false };
    const only = { engine, stateChecks: [], stepChecks: [flushDebts], schedules: 60 };
    expect(ids({ l1Vcpus: 2, reschedRate: 0.3 }, only)).toEqual(['D20']);
  });
});
