// Live migration while L1 itself writes through the TDP MMU (kernel-facts 4, A13 to A17, A26): D6 is the oracle.
import { describe, expect, it } from 'vitest';
import { C, type CounterName } from '../../src/cpu/counters.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { tdpRecoverHugePages } from '../../src/mmu/tdp/collapsible.ts';
import { tdpAllocSpUnlocked } from '../../src/mmu/tdp/split.ts';
import { VCPU } from '../../src/mmu/vcpu-words.ts';
import { controlledOf, identity, machineOf, runTwice, type Given } from '../support/machines.ts';

const SCHEDULES = 8;
const BUSY: Given = { backing: '1g', vcpus: 1, l1Vcpus: 1, writeFraction: 0.8, rounds: 2, reschedRate: 0.1 };

interface Ran {
  readonly ids: string[];
  readonly count: (counter: CounterName) => number;
}

function run(given: Given, engine: Engine = P1_ENGINE, toggles = false, schedules = SCHEDULES): Ran {
  const machine = machineOf(
    (units) => ({
      ...identity(2)(units),
      cast: [
        { kind: 'l1-vcpu', rounds: 0, weights: { read: 2, write: 6 } },
        ...(toggles ? [{ kind: 'log-toggle' as const, rounds: 3 }] : []),
      ],
    }),
    { ...BUSY, ...given },
  );
  const runtime = controlledOf(machine, { engine });
  const ids = new Set<string>();
  for (let schedule = 0; schedule < schedules; schedule++) {
    for (const { id, text } of runTwice(runtime, schedule).violations) ids.add(`${id}: ${text}`);
  }
  return {
    ids: [...ids],
    count: (counter) => runtime.cpus.reduce((sum, cpu) => sum + cpu.counters[C[counter]]!, 0),
  };
}

const lost = ({ ids }: Ran): boolean => ids.some((id) => id.startsWith('D6'));

describe('a migration under which L1 writes', () => {
  it.each([
    {},
    { manual: 'manual' },
    { manual: 'initially-set' },
    { eager: false },
    { dirtyRing: 16 },
    { pml: 4 },
    { pml: 4, manual: 'initially-set' },
    { pml: 4, eager: false },
    { pml: 4, dirtyRing: 16 },
    { hostAdBits: false },
    { format: 'npt', nx: true },
    { enomemRate: 0.3 },
    { l1Vcpus: 2, preempt: 'full' },
  ])('loses nothing (%j)', (given) => {
    expect(run(given).ids).toEqual([]);
  });

  it.each([{}, { pml: 4 }, { dirtyRing: 16 }, { manual: 'manual' }])(
    'loses nothing when its log goes off and on (%j)',
    (given) => {
      const ran = run(given, P1_ENGINE, true);
      expect(ran.ids).toEqual([]);
      expect(ran.count('logToggles')).toBeGreaterThan(0);
      const recovers = { ...P1_ENGINE, tdpCollapseRange: tdpRecoverHugePages };
      expect(run(given, recovers, true).ids).toEqual([]);
    },
  );

  it('splits the pages of L1, under the read lock and under the write lock', () => {
    expect(run({}).count('tdpSplits')).toBeGreaterThan(0);
    expect(run({ manual: 'initially-set' }).count('tdpSplits')).toBeGreaterThan(0);
    const always = { ...P1_ENGINE, tdpAllocSpForSplit: tdpAllocSpUnlocked };
    for (const manual of ['off', 'initially-set']) expect(run({ manual }, always).ids).toEqual([]);
  });

  it('logs the writes of L1 by PML, and buffers fill up', () => {
    const ran = run({ pml: 2, l1Vcpus: 1 });
    expect(ran.ids).toEqual([]);
    expect([ran.count('pmlFlushes') > 0, ran.count('pmlFull') > 0]).toEqual([true, true]);
  });
});

describe('what a migration under L1 would lose', () => {
  it.each<[string, Given, Partial<Engine>]>([
    [
      'without the entries of PML buffers',
      { pml: 4 },
      {
        *flushPmlBuffer({ kvm, index }) {
          kvm.arena.put(kvm.vcpuWord(index) + VCPU.pmlIndex, kvm.config.pmlEntries - 1);
        },
      },
    ],
    ['if hardware logged nothing while L1 runs', { pml: 4 }, { pmlLogs: () => false }],
    ['without the flush when logging starts', { burst: 64 }, { flushAfterEnable: () => false }],
    [
      'without the flush of a reset',
      { dirtyRing: 64, memory: '32K', rounds: 4 },
      { flushAfterReset: () => false },
    ],
  ])('%s', (_what, given, steps) => {
    expect(lost(run(given, { ...P1_ENGINE, ...steps }, false, 60))).toBe(true);
  });
});
