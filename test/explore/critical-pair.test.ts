import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import { races, writerBefore, type RunOp } from '../../src/explore/causality.ts';
import { findCriticalPair, type RecordedRun } from '../../src/explore/critical-pair.ts';
import { OverrideScheduler, type Override } from '../../src/explore/overrides.ts';
import { ProgramRunner, type Program } from '../../src/explore/program.ts';

type Line = (cpu: Cpu, base: number) => Steps<void>;

function* load(cpu: Cpu, word: number): Steps<number> {
  yield cpu.at(Op.Load, word);
  return cpu.load(word);
}

function* store(cpu: Cpu, word: number, value: number): Steps<void> {
  yield cpu.at(Op.Store, word);
  cpu.store(word, value);
}

const program = (name: string, actors: readonly Line[], check: Program['check']): Program => ({
  name,
  words: 4,
  actors,
  ...(check === undefined ? {} : { check }),
});

/** Both add one by load and store; an update can be lost. */
const lostUpdate = program(
  'lost update',
  [0, 1].map(
    () =>
      function* (cpu, base) {
        yield* store(cpu, base + 2, 1);
        const value = yield* load(cpu, base);
        yield* store(cpu, base, value + 1);
      },
  ),
  (word) => (word(0) === 2 ? undefined : 'lost'),
);

const recordOf = (
  runner: ProgramRunner,
  overrides: readonly Override[],
): RecordedRun & { failed: boolean } => {
  const ops: RunOp[] = [];
  const moves: number[] = [];
  const moveOf: number[] = [];
  let before = 0;
  const inner = new OverrideScheduler(overrides);
  const result = runner.run(
    {
      begin: (actors) => inner.begin(actors),
      pick: (enabled, count, current) => inner.pick(enabled, count, current),
      step: (actor) => {
        before = runner.memory[runner.cpus[actor]!.pendingWord]!;
        moves.push(actor);
        inner.step(actor);
      },
    },
    1,
    0,
    {
      operation: (cpu, op, word) => {
        ops.push({ actor: cpu.actor, op, word, changed: runner.memory[word] !== before });
        moveOf.push(moves.length - 1);
      },
    },
  );
  return { ops, moves, moveOf, failed: result.violations.length > 0 };
};

const search = (one: Program, overrides: readonly Override[]) => {
  const runner = new ProgramRunner(one);
  const run = recordOf(runner, overrides);
  expect(run.failed).toBe(true);
  const found = findCriticalPair({
    runner,
    master: 1,
    schedule: 0,
    run,
    sections: [],
    fails: () => true,
    rank: () => 1,
    maxRuns: 100,
  });
  return { run, found };
};

describe('races', () => {
  const op = (actor: number, kind: number, word: number): RunOp => ({
    actor,
    op: kind,
    word,
    changed: kind === Op.Store,
  });

  it('are dependent operations that nothing else orders', () => {
    const ops = [
      op(0, Op.Store, 4),
      op(1, Op.Load, 4),
      op(0, Op.Store, 4),
      op(1, Op.Store, 8),
      op(1, Op.Load, 4),
    ];
    expect(races(ops, 2)).toEqual([
      { first: 0, second: 1 },
      { first: 1, second: 2 },
      { first: 2, second: 4 },
    ]);
  });

  it('are none where a third operation orders the two', () => {
    // 0 writes x, then y; 1 reads y, then x: the reads of y order those of x.
    const ops = [op(0, Op.Store, 4), op(0, Op.Store, 6), op(1, Op.Load, 6), op(1, Op.Load, 4)];
    expect(races(ops, 2)).toEqual([{ first: 1, second: 2 }]);
  });

  it('two reads and two places are none', () => {
    expect(races([op(0, Op.Load, 4), op(1, Op.Load, 4), op(0, Op.Store, 8), op(1, Op.Store, 10)], 2)).toEqual(
      [],
    );
  });

  it('the writer before a read is the last that changed the place', () => {
    const ops = [op(0, Op.Store, 4), op(1, Op.Store, 4), op(1, Op.Load, 4), op(0, Op.Load64, 4)];
    expect(writerBefore(ops, 2)).toBe(1);
    expect(writerBefore(ops, 3)).toBe(1);
    expect(writerBefore(ops, 0)).toBe(-1);
  });
});

/** Actor 0 is preempted between its load and its store. Its first move makes no operation. */
const PREEMPTED = [{ actor: 0, op: 3, next: 1 }];

describe('the critical pair', () => {
  it('of a lost update is the load that comes too early and the store', () => {
    const { run, found } = search(lostUpdate, PREEMPTED);
    expect(found.pair).toBeDefined();
    const { first, second, instead } = found.pair!;
    expect(instead).toBeUndefined();
    // Actor 0 must load after actor 1 has stored.
    expect([run.ops[first]!.actor, run.ops[second]!.actor]).toEqual([0, 1]);
    expect([run.ops[first]!.op, run.ops[second]!.op]).toEqual([Op.Load, Op.Store]);
    expect(run.ops[first]!.word).toBe(run.ops[second]!.word);
    expect(found.tried).toBeGreaterThan(0);
  });

  it('is none where the order does not matter', () => {
    const always = { ...lostUpdate, check: () => 'always' };
    const { found } = search(always, []);
    expect(found.pair).toBeUndefined();
    expect(found.tried).toBe(found.candidates);
  });

  it('is none where the order is forced', () => {
    const handOver = program(
      'hand over',
      [
        function* (cpu, base) {
          yield* store(cpu, base + 1, 1);
          cpu.notify(base + 1);
        },
        function* (cpu, base) {
          yield cpu.at(Op.Wait, base + 1, 0);
          cpu.wait(base + 1, 0);
          yield* load(cpu, base + 1);
        },
      ],
      () => 'always',
    );
    const { found } = search(handOver, []);
    expect(found.pair).toBeUndefined();
  });

  it('is the same each time', () => {
    expect(search(lostUpdate, PREEMPTED)).toEqual(search(lostUpdate, PREEMPTED));
  });
});
