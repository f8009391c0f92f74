import { describe, expect, it } from 'vitest';
import { Arena } from '../../src/arena/arena.ts';
import { computeLayout } from '../../src/arena/layout.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { buildMachine } from '../../src/scenario/build.ts';
import { loadScenario, shippedScenarios } from '../../src/scenario/load.ts';
import { controlledOf, identity, leaves, machineOf, runTwice, type Given } from '../support/machines.ts';
import { FEW_WORDS } from '../support/programs.ts';

const layout = computeLayout(FEW_WORDS);

describe('reset of a tracked arena', () => {
  it('restores what was put, what was written after touch, and what was written in a touched range', () => {
    const arena = Arena.tracked(layout);
    arena.put(layout.memory, 5);
    arena.takeBootImage();
    arena.put(layout.memory, 6);
    arena.touch(layout.memory + 20);
    arena.w[layout.memory + 20] = 7;
    arena.touchRange(layout.memory + 30, 34);
    arena.w.fill(8, layout.memory + 30, layout.memory + 64);
    arena.reset();
    expect(arena.w[layout.memory]).toBe(5);
    expect(arena.w.subarray(layout.memory + 1, layout.memory + 64).every((word) => word === 0)).toBe(true);
  });

  it('does not restore an untracked write: that is what the comparison below finds', () => {
    const arena = Arena.tracked(layout);
    arena.takeBootImage();
    arena.w[layout.memory] = 9;
    expect(arena.reset()).toBe(0);
    expect(arena.w[layout.memory]).toBe(9);
  });

  it('copies each touched chunk once', () => {
    const arena = Arena.tracked(layout);
    arena.takeBootImage();
    for (let i = 0; i < 100; i++) arena.put(layout.memory + (i & 1), i);
    const first = layout.memory >> 4;
    expect(arena.touchedChunks).toBe(((layout.memory + 1) >> 4) - first + 1);
    expect(arena.reset()).toBeLessThanOrEqual(2);
    expect(arena.reset()).toBe(0);
  });

  it('refuses to work without a boot image', () => {
    expect(() => Arena.tracked(layout).reset()).toThrow('reset before takeBootImage');
  });
});

/** Parameters that make paths run which the defaults leave out. */
const GIVEN: readonly Given[] = [
  {},
  { format: 'npt', nx: true, execFraction: 0.3, manual: 'manual', pml: 0, dirtyRing: 0 },
  { recycleThreshold: 1, reschedRate: 0.3, allocFailRate: 0.5, l1AdBits: false },
];

describe('every schedule starts from the boot image', () => {
  it.each(shippedScenarios())('after three random schedules of %s no word differs from it', async (name) => {
    const scenario = await loadScenario(name);
    for (const given of GIVEN) {
      // A host without A and D bits has EPT.
      if (name === 'access-tracking' && given['format'] === 'npt') continue;
      const runtime = controlledOf(buildMachine(scenario, 'explore', given), {
        livelockSteps: 1e6,
        custom: scenario.actors ?? {},
      });
      const { arena } = runtime.kvm;
      const boot = arena.w.slice();
      for (let schedule = 0; schedule < 3; schedule++) {
        runTwice(runtime, schedule);
        const differing = boot.reduce((sum, word, at) => sum + (word === arena.w[at] ? 0 : 1), 0);
        expect(differing).toBeGreaterThan(0);
        arena.reset();
        // Buffer.compare looks at every byte in a tenth of the time of a loop.
        expect(Buffer.compare(Buffer.from(boot.buffer), Buffer.from(arena.w.buffer))).toBe(0);
      }
    }
  });

  it('also in a machine whose regions are larger than a chunk, so that no write hides behind a neighbour', () => {
    for (const [level, manual] of [
      [2, 'initially-set'],
      [3, 'off'],
    ] as const) {
      const given = { tableBits: 5, memory: '4M', mmuPages: 200, rootLevel: 3, ops: 100, manual };
      const runtime = controlledOf(machineOf(identity(level), given));
      const { arena } = runtime.kvm;
      const boot = arena.w.slice();
      runTwice(runtime, 0);
      expect(leaves(runtime.kvm, 1).length).toBe(1024);
      arena.reset();
      expect(Buffer.compare(Buffer.from(boot.buffer), Buffer.from(arena.w.buffer))).toBe(0);
    }
  });

  it('also after a schedule that was cut off in the middle', () => {
    for (const maxSteps of [8, 15, 60, 300]) {
      const machine = machineOf(identity(2), {
        tableBits: 5,
        memory: '4M',
        backing: '2m',
        manual: 'initially-set',
      });
      const runtime = controlledOf(machine, { maxSteps });
      const { arena } = runtime.kvm;
      const boot = arena.w.slice();
      // The migration goes first, so that the cut falls into its enabling of the log.
      const first = { begin: () => {}, pick: (enabled: Int32Array) => enabled[0]! };
      expect(runTwice(runtime, 0, 1, first).truncated).toBe(true);
      arena.reset();
      expect(Buffer.compare(Buffer.from(boot.buffer), Buffer.from(arena.w.buffer))).toBe(0);
    }
  });

  it('costs what the schedule touched, not what the machine has', () => {
    // A TLB of 32 entries per size holds the 16 pages as well as one of 4,096.
    const [small, large] = [5, 12].map((tlbBits) =>
      controlledOf(machineOf(identity(2, []), { ops: 3, rounds: 0, backing: '2m', tlbBits })),
    );
    const steps = [small!, large!].map((runtime) => runtime.run(new RandomWalk(1), 1, 0).steps);
    expect(steps[0]).toBe(steps[1]);
    expect(large!.kvm.layout.words).toBeGreaterThan(7 * small!.kvm.layout.words);
    expect(Math.abs(large!.touchedChunks - small!.touchedChunks)).toBeLessThan(5);
    expect(large!.touchedChunks * 16).toBeLessThan(large!.kvm.layout.words / 50);
  });
});
