// L1 on its own vCPU, and what it edits in the tables of L2: kernel-facts A5 to A8, B-31, B-34, B-50.
import { describe, expect, it } from 'vitest';
import { L1_MOVES, type L1Move } from '../../src/actors/l1-guest.ts';
import { L1_VCPU } from '../../src/actors/l1-vcpu.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { C, type CounterName } from '../../src/cpu/counters.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { VCPU } from '../../src/mmu/vcpu-words.ts';
import type { ControlledRuntime } from '../../src/runtime/controlled.ts';
import type { MachineSpec, Units } from '../../src/scenario/define.ts';
import { controlledOf, machineOf, runTwice, type Given } from '../support/machines.ts';

/** Half of the memory by 2M entries, half by 4K entries, and one page of it once more. */
const mixed =
  (weights: Partial<Record<L1Move, number>> = {}, extra: Partial<MachineSpec> = {}) =>
  ({ base, pages, huge2 }: Units): MachineSpec => ({
    roots: [
      {
        name: 'L2',
        mappings: [
          { l2Gfn: 0, l1Gfn: base, level: 2, count: pages / 2 / huge2 },
          { l2Gfn: pages / 2, l1Gfn: base + pages / 2, level: 1, count: pages / 2 },
        ],
      },
    ],
    populate: [],
    cast: [{ kind: 'l1-vcpu', weights: Object.keys(weights).length > 0 ? weights : L1_VCPU.moves }],
    ...extra,
  });

function runtime(
  spec: (units: Units) => MachineSpec,
  given: Given = {},
  steps: Partial<Engine> = {},
  maxSteps = 60_000,
): ControlledRuntime {
  const machine = machineOf(spec, { backing: '2m', l1Vcpus: 1, memory: '64K', vcpus: 2, ...given });
  return controlledOf(machine, {
    engine: { ...P1_ENGINE, ...steps },
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS, endRate: 1 / 8 }),
    maxSteps,
  });
}

/** Ids of the violations of so many schedules, and the sums of the counters. */
function play(
  controlled: ControlledRuntime,
  schedules: number,
): { readonly ids: readonly string[]; readonly count: (name: CounterName) => number } {
  const ids = new Set<string>();
  for (const cpu of controlled.cpus) cpu.counters.fill(0);
  for (let schedule = 0; schedule < schedules; schedule++) {
    const { violations, truncated } = runTwice(controlled, schedule);
    for (const { id, text } of violations) ids.add(`${id}: ${text}`);
    if (truncated) ids.add('truncated');
  }
  return {
    ids: [...ids],
    count: (name) => controlled.cpus.reduce((sum, cpu) => sum + cpu.counters[C[name]]!, 0),
  };
}

/** The first schedule in which this id is found, or -1. */
function caught(controlled: ControlledRuntime, id: string, schedules: number): number {
  for (let schedule = 0; schedule < schedules; schedule++) {
    const { violations } = controlled.run(new RandomWalk(7), 7, schedule);
    if (violations.some((found) => found.id === id)) return schedule;
  }
  return -1;
}

describe('L1 on its own vCPU', () => {
  it.each(L1_MOVES)('makes the move %s under L2 and a migration, and nothing breaks', (move) => {
    // Edits have something to work with: what was split can be merged, what was unmapped mapped.
    const partner: Partial<Record<L1Move, Partial<Record<L1Move, number>>>> = {
      tableToHuge: { hugeToTable: 1 },
      map: { unmap: 1 },
      reuse: { hugeToTable: 1, tableToHuge: 1 },
    };
    const controlled = runtime(mixed({ [move]: 1, ...partner[move] }), {
      castRounds: 6,
      writeFraction: move === 'write' ? 0 : 0.5,
    });
    const { ids, count } = play(controlled, 12);
    expect(ids).toEqual([]);
    // Only L1 fetches, and only L1 writes where L2 does not.
    const made: Partial<Record<L1Move, number>> = {
      read: count('guestReads'),
      write: count('guestWrites'),
      exec: count('guestFetches'),
      reuse: count('pteWrites'),
    };
    expect(made[move] ?? count('l1Edits')).toBeGreaterThan(12);
  });

  it.each<[string, Given]>([
    ['as it is', {}],
    ['with every write to a table emulated', { unsync: false }],
    ['with NPT and the mitigation', { format: 'npt', nx: true, execFraction: 0.3 }],
    ['without A and D bits in the tables of L1', { l1AdBits: false }],
    ['with two vCPUs of L1', { l1Vcpus: 2 }],
    ['with INITIALLY_SET', { manual: 'initially-set' }],
    ['with few shadow pages', { mmuPages: 24 }],
    ['while locks are given up at every turn', { reschedRate: 0.4 }],
  ])('edits at random against faults, split and harvest: %s', (_what, given) => {
    const controlled = runtime(mixed(), { castRounds: 8, ...given });
    const { ids, count } = play(controlled, 20);
    expect(ids).toEqual([]);
    expect(count('l1Edits')).toBeGreaterThan(20);
    expect(count('inveptExits')).toBeGreaterThan(20);
  });

  it('edits tables that L2 can write, in the slot that is migrated', () => {
    const spec = mixed({}, { tables: 'migrated-slot' });
    const { ids, count } = play(runtime(spec, { castRounds: 8, memory: '128K' }), 20);
    expect(ids).toEqual([]);
    expect(count('pteWrites')).toBeGreaterThan(10);
    expect(count('unsyncPages')).toBeGreaterThan(5);
    expect(count('syncedPages')).toBeGreaterThan(5);
  });

  it('comes to its end although an L2 vCPU that it asks for INVEPT has gone home', () => {
    const controlled = runtime(mixed({ remap: 1 }, { migration: false }), { castRounds: 30, ops: 3 });
    expect(play(controlled, 10).ids).toEqual([]);
  });
});

describe('what L1 takes away', () => {
  it.each<[string, string, Partial<Engine>, Given]>([
    [
      'an INVEPT that lets go of no root',
      'Q49',
      {
        *handleL1Invept(vcpu) {
          vcpu.kvm.arena.put(vcpu.word(VCPU.inveptRoots), 0);
          yield* P1_ENGINE.handleL1Invept(vcpu);
        },
      },
      {},
    ],
    ['a load of the root that syncs nothing', 'Q49', { *syncRoots() {} }, {}],
    [
      'an emulated write that nobody follows up (B-50)',
      'Q11',
      {
        *zapWrittenSpte() {
          return false;
        },
      },
      { unsync: false },
    ],
    [
      'a table that may be written while it is in sync',
      'Q41',
      {
        *mmuTryToUnsyncPages() {
          return false;
        },
      },
      {},
    ],
    ['a new shadow page whose table is not write-protected', 'Q41', { *accountShadowed() {} }, {}],
  ])('would stay in use with %s', (_what, id, steps, given) => {
    const controlled = runtime(mixed(), { castRounds: 12, ...given }, steps);
    expect(caught(controlled, id, 600)).not.toBe(-1);
  });

  it('would be found again in a direct child of another gfn or kind (B-50, B-51)', () => {
    // L1's store is visible, KVM has not followed it up, and a fault goes by the new entry through the old child.
    const huge = ({ base, pages, huge2 }: Units): MachineSpec => ({
      ...mixed({ remap: 2, hugeToTable: 1, tableToHuge: 1 })({ base, pages, huge2, huge3: huge2 * huge2 }),
      roots: [{ name: 'L2', mappings: [{ l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    });
    const given = { castRounds: 20, vcpus: 3 };
    expect(play(runtime(huge, given), 60).ids).toEqual([]);
    const broken = runtime(huge, given, { childIsReusable: () => true });
    expect(caught(broken, 'Q24', 600)).not.toBe(-1);
  });
});
