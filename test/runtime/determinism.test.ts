import { describe, expect, it } from 'vitest';
import { OP_NAMES } from '../../src/cpu/steps.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { buildMachine } from '../../src/scenario/build.ts';
import type { Scenario } from '../../src/scenario/define.ts';
import { loadScenario, shippedScenarios } from '../../src/scenario/load.ts';
import type { ControlledRuntime } from '../../src/runtime/controlled.ts';
import { controlledOf } from '../support/machines.ts';

/** Every visible operation of a run: actor, kind, word, both values. */
function trace(
  runtime: ControlledRuntime,
  master: number,
  schedule: number,
): { hash: string; operations: Int32Array } {
  const all: number[] = [];
  const { hash } = runtime.run(new RandomWalk(master), master, schedule, {
    operation: (cpu, op, word, lo, hi) => all.push(cpu.actor, op, word, lo, hi),
  });
  return { hash, operations: Int32Array.from(all) };
}

/** The first operation in which two runs differ, in words; undefined if there is none. */
function difference(a: Int32Array, b: Int32Array): string | undefined {
  const at = a.findIndex((value, i) => value !== b[i]);
  if (at === -1 && a.length === b.length) return undefined;
  const step = Math.floor((at === -1 ? Math.min(a.length, b.length) : at) / 5);
  const text = (t: Int32Array): string =>
    `actor ${t[step * 5]} ${OP_NAMES[t[step * 5 + 1]!]} of word ${t[step * 5 + 2]}`;
  return `step ${step}: ${text(a)} and ${text(b)}`;
}

const runtimeOf = (scenario: Scenario): ControlledRuntime =>
  controlledOf(buildMachine(scenario, 'explore'), { livelockSteps: 1e6, custom: scenario.actors ?? {} });

describe.each(shippedScenarios())('a controlled run of %s', (name) => {
  it('is a function of seed and schedule: operation by operation, on the same machine and on another one', async () => {
    const make = async (): Promise<ControlledRuntime> => runtimeOf(await loadScenario(name));
    const [first, second] = [await make(), await make()];
    for (const schedule of [0, 1]) {
      const once = trace(first, 9, schedule);
      const again = trace(first, 9, schedule);
      const other = trace(second, 9, schedule);
      expect(difference(once.operations, again.operations)).toBeUndefined();
      expect(difference(once.operations, other.operations)).toBeUndefined();
      expect([again.hash, other.hash]).toEqual([once.hash, once.hash]);
      expect(once.operations.length / 5).toBeGreaterThan(name.startsWith('tiny-') ? 30 : 100);
    }
  });

  it('differs from schedule to schedule and from seed to seed', async () => {
    const runtime = runtimeOf(await loadScenario(name));
    const hashes = [3, 4].flatMap((master) =>
      [0, 1, 2, 3].map((schedule) => trace(runtime, master, schedule).hash),
    );
    expect(new Set(hashes).size).toBe(8);
  });
});

describe('the trace', () => {
  it('of two schedules differs in an operation that can be named: the comparison above can fail', async () => {
    const runtime = controlledOf(buildMachine(await loadScenario('enospc'), 'explore'), {
      livelockSteps: 1e6,
    });
    expect(difference(trace(runtime, 1, 0).operations, trace(runtime, 1, 1).operations)).toMatch(
      /^step \d+: actor \d \w+ of word \d+ and actor \d/,
    );
  });
});
