import { describe, expect, it } from 'vitest';
import { C, type CounterName } from '../../src/cpu/counters.ts';
import type { Cpu } from '../../src/cpu/cpu.ts';
import type { ControlledRuntime } from '../../src/runtime/controlled.ts';
import { actorIdentity } from '../../src/actors/context.ts';
import { controlledOf, identity, machineOf, rootOf, runTwice, type Given } from '../support/machines.ts';
import type { MachineSpec, Units } from '../../src/scenario/define.ts';

const quiet = (spec: (units: Units) => MachineSpec, given: Given): ControlledRuntime =>
  controlledOf(machineOf((units) => ({ ...spec(units), migration: false }), { backing: '2m', ...given }));

/** Runs a schedule and returns the sum of counters over all actors, for one run. */
function counted(runtime: ControlledRuntime, schedule: number): (name: CounterName) => number {
  for (const cpu of runtime.cpus) cpu.counters.fill(0);
  expect(runTwice(runtime, schedule).violations).toEqual([]);
  return (name) => runtime.cpus.reduce((sum: number, cpu: Cpu) => sum + cpu.counters[C[name]]!, 0) / 2;
}

const memory = ({ kvm }: ControlledRuntime): number =>
  kvm.w
    .subarray(kvm.layout.memory, kvm.layout.memory + kvm.layout.dims.pfns)
    .reduce((sum, word) => sum + word, 0);

describe('an L2 vCPU', () => {
  it('makes the accesses it is asked for, of the kinds it is asked for', () => {
    for (const [writeFraction, execFraction] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [0.5, 0.25],
    ] as const) {
      const runtime = quiet(identity(2), { vcpus: 2, ops: 200, writeFraction, execFraction });
      const count = counted(runtime, 0);
      const [reads, writes, fetches] = [count('guestReads'), count('guestWrites'), count('guestFetches')];
      expect(reads + writes + fetches).toBe(400);
      expect(Math.abs(writes / 400 - writeFraction)).toBeLessThan(0.08);
      expect(Math.abs(fetches / 400 - execFraction)).toBeLessThan(0.08);
    }
  });

  it.each<[string, Given]>([
    ['every write arrives', { writeFraction: 1 }],
    ['also while pages are reclaimed', { writeFraction: 1, mmuPages: 8, memory: '64K' }],
    ['also with one TLB entry', { writeFraction: 0.7, tlbBits: 0 }],
    ['also after a single access per stay', { writeFraction: 0.7, burst: 1 }],
  ])('%s: page versions grow by the number of writes', (_what, given) => {
    const runtime = quiet(identity(2), { vcpus: 2, ops: 60, ...given });
    const before = memory(runtime);
    for (let schedule = 0; schedule < 5; schedule++) {
      const writes = counted(runtime, schedule)('guestWrites');
      expect(memory(runtime) - before).toBe(writes);
      expect(writes).toBeGreaterThan(20);
    }
  });

  it('leaves guest mode when it is kicked, even if it would stay for ever', () => {
    const machine = machineOf(identity(2), { backing: '2m', vcpus: 2, burst: 0, writeFraction: 0 });
    const runtime = controlledOf(machine, { maxSteps: 20_000 });
    for (let schedule = 0; schedule < 10; schedule++) {
      expect(runTwice(runtime, schedule)).toMatchObject({ truncated: false, violations: [] });
    }
  });

  it('goes only where L1 lets it: reads and writes elsewhere are read-only or not made at all', () => {
    const runtime = quiet(
      rootOf(
        ({ base, huge2 }) => [
          { l2Gfn: 0, l1Gfn: base, level: 2, count: 1, perm: 'r' },
          { l2Gfn: 16, l1Gfn: base + huge2, level: 2, count: 1 },
        ],
        [],
      ),
      { vcpus: 1, ops: 300, writeFraction: 1 },
    );
    const before = runtime.kvm.w.slice();
    const count = counted(runtime, 0);
    const { slots, layout, w } = runtime.kvm;
    const grown = Array.from({ length: 16 }, (_, page) => page).filter((page) => {
      const word = layout.memory + slots[1]!.pfn(slots[1]!.baseGfn + page);
      return w[word] !== before[word];
    });
    expect(grown).toEqual([4, 5, 6, 7]);
    expect([count('faultsInjected'), count('guestReads') + count('guestWrites')]).toEqual([0, 300]);
  });

  it('changes roots at the rate it is given, and not at all without one', () => {
    const two = (units: Units): MachineSpec => ({
      roots: ['A', 'B'].map((name, i) => ({
        name,
        mappings: [{ l2Gfn: i * 16, l1Gfn: units.base, level: 2 as const, count: 1 }],
      })),
      populate: [],
    });
    const roots = (rootSwitchRate: number): number[] => {
      const runtime = quiet(two, { vcpus: 1, ops: 60, rootSwitchRate });
      const seen = new Set<number>();
      const word = runtime.kvm.vcpuWord(0) + 3;
      for (let i = 0; i < 2; i++) {
        runtime.run({ begin: () => {}, pick: (enabled) => enabled[0]! }, 1, 0, {
          operation: () => seen.add(runtime.kvm.w[word]!),
        });
      }
      return [...seen].sort((a, b) => a - b);
    };
    expect([roots(0), roots(0.3)]).toEqual([[0], [0, 1]]);
  });
});

describe('the names of actors', () => {
  it('say class and number', () => {
    const workload = { ops: 0, writeFraction: 0, execFraction: 0, rootSwitchRate: 0, burst: 0, ranges: [] };
    expect(actorIdentity({ kind: 'l2-vcpu', vcpu: 3, workload })).toEqual({
      cls: 'l2-vcpu',
      name: 'L2 vCPU 3',
    });
    expect(actorIdentity({ kind: 'split-worker', shard: 1 })).toEqual({
      cls: 'splitter',
      name: 'splitter 1',
    });
    expect(actorIdentity({ kind: 'migration', slots: [1], rounds: 1 })).toEqual({
      cls: 'migration',
      name: 'migration',
    });
    expect(actorIdentity({ kind: 'custom', name: 'mine', options: {} })).toEqual({
      cls: 'other',
      name: 'mine',
    });
  });
});
