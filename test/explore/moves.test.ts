import { describe, expect, it } from 'vitest';
import { reorder, twostage, wronglock } from '../../bench/kernels/sctbench.ts';
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import { climb } from '../../src/explore/climb.ts';
import { dropMoves } from '../../src/explore/drop-moves.ts';
import { Budget, playSchedule, type FailingRun, type Workplace } from '../../src/explore/failing-run.ts';
import { DependenceRecorder, linearise } from '../../src/explore/linearise.ts';
import { numbersOf, rangesOf, rangesText } from '../../src/explore/move-ranges.ts';
import { MoveRecorder, MoveScheduler } from '../../src/explore/moves.ts';
import { OverrideRecorder, OverrideScheduler } from '../../src/explore/overrides.ts';
import { ProgramBug, ProgramRunner, type Program } from '../../src/explore/program.ts';
import { SegmentRecorder, SegmentScheduler, settle } from '../../src/explore/segments.ts';
import { minimise } from '../../src/explore/shrink.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';

const MASTER = 77;
const NOTHING = { idle: new Set<number>(), kept: new Map<number, readonly number[]>() };

const placeOf = (runner: ProgramRunner, schedule: number, replays = 5_000): Workplace => ({
  runner,
  master: MASTER,
  schedule,
  signature: ({ id }) => id,
  wanted: 'assertion',
  budget: new Budget(replays),
});

/** The first failure of a random walk. */
function found(runner: ProgramRunner): { readonly place: Workplace; readonly run: FailingRun } {
  for (let schedule = 0; schedule < 10_000; schedule++) {
    const place = placeOf(runner, schedule);
    const run = playSchedule(place, new RandomWalk(MASTER), NOTHING);
    if (run !== undefined) return { place, run };
  }
  throw new Error('no failure in 10,000 schedules');
}

/** An actor of `count` moves; `move` is told the number of each. */
const mover = (count: number, move: (cpu: PlainCpu, base: number, number: number) => Steps<void>) =>
  function* (cpu: PlainCpu, base: number): Steps<void> {
    while (cpu.nextMove(count)) yield* move(cpu, base, cpu.move);
  };

function* addTo(cpu: PlainCpu, word: number): Steps<void> {
  if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
  const value = cpu.load(word);
  if (cpu.stepped && cpu.stops(Op.Store, word)) yield;
  cpu.store(word, value + 1);
}

/** Fails if the second actor's move 60 comes after the first one's move 17. */
const TWO_OF_MANY: Program = {
  name: 'two of many',
  words: 3,
  actors: [
    mover(100, (cpu, base, move) => addTo(cpu, base + (move === 17 ? 0 : 1))),
    mover(100, function* (cpu, base, move) {
      if (move !== 60) return yield* addTo(cpu, base + 2);
      if (cpu.stepped && cpu.stops(Op.Load, base)) yield;
      if (cpu.load(base) !== 0) throw new ProgramBug('seen');
    }),
  ],
};

/** Fails if all moves of the first actor come before the second one looks. */
const ALL_OF_THEM: Program = {
  name: 'all of them',
  words: 1,
  actors: [
    mover(12, (cpu, base) => addTo(cpu, base)),
    mover(1, function* (cpu, base) {
      if (cpu.stepped && cpu.stops(Op.Load, base)) yield;
      if (cpu.load(base) === 12) throw new ProgramBug('all seen');
    }),
  ],
};

describe('leaving moves out', () => {
  it('leaves the two of two hundred that a failure needs, and the run as short as they are', () => {
    const { place, run } = found(new ProgramRunner(TWO_OF_MANY));
    const fewer = dropMoves(place, run);
    expect(fewer.before).toBeGreaterThan(70);
    expect(fewer.after).toBe(2);
    expect([...fewer.run.kept]).toEqual([
      [0, [17]],
      [1, [60]],
    ]);
    expect(minimise(place, fewer.run).result).toMatchObject({ steps: 3, preemptions: 0 });
  });

  it('whatever the order in which they are tried, and makes the same run again', () => {
    const runner = new ProgramRunner(TWO_OF_MANY);
    const { place, run } = found(runner);
    const again = dropMoves(place, dropMoves(place, run).run);
    expect(again.after).toBe(2);
    runner.kept = again.run.kept;
    const result = runner.run(new OverrideScheduler(again.run.overrides), MASTER, place.schedule);
    expect(result.hash).toBe(again.run.result.hash);
  });

  it('keeps all where the failure needs all', () => {
    // The base lets the first actor come to its end before the second one begins.
    const place = placeOf(new ProgramRunner(ALL_OF_THEM), 0);
    const run = playSchedule(place, new OverrideScheduler([]), NOTHING)!;
    const fewer = dropMoves(place, run);
    expect([fewer.before, fewer.after]).toEqual([13, 13]);
    expect(fewer.run.kept.size).toBe(0);
  });

  it('ends with the run it has when the budget does', () => {
    const { place, run } = found(new ProgramRunner(TWO_OF_MANY));
    const fewer = dropMoves({ ...place, budget: new Budget(3) }, run);
    expect(fewer.after).toBeGreaterThan(2);
    expect(fewer.run.result.violations).toHaveLength(1);
    expect(dropMoves({ ...place, budget: new Budget(0) }, run).run).toBe(run);
  });

  it('keeps the order of those that are left', () => {
    const runner = new ProgramRunner(TWO_OF_MANY);
    const recorder = new MoveRecorder(new RandomWalk(MASTER));
    runner.run(recorder, MASTER, 1);
    const some = recorder.moves.filter(({ move }) => move % 7 === 0 && move !== 60 && move !== 17);
    const again = new MoveRecorder(new MoveScheduler(recorder.segments));
    runner.kept = new Map([0, 1].map((one) => [one, numbers(some, one)]));
    runner.run(again, MASTER, 1);
    expect(again.moves).toEqual(some);
  });
});

const numbers = (moves: readonly { actor: number; move: number }[], of: number): number[] =>
  moves.filter(({ actor }) => actor === of).map(({ move }) => move);

describe('a switch between two moves', () => {
  it('is no preemption, and one within a move is', () => {
    const runner = new ProgramRunner(ALL_OF_THEM);
    const [between, within] = [3, 4].map((op) => {
      const recorder = new OverrideRecorder(new OverrideScheduler([{ actor: 0, op, next: 1 }]));
      return [runner.run(recorder, MASTER, 0).preemptions, recorder.preempting.size];
    });
    // An actor's first move of the schedule starts it and makes no operation.
    expect(between).toEqual([0, 0]);
    expect(within).toEqual([1, 1]);
  });
});

describe('the same behaviour with fewer switches', () => {
  const orders = (program: Program, schedule: number) => {
    const runner = new ProgramRunner(program);
    const recorder = new DependenceRecorder(new RandomWalk(MASTER), runner.entriesFrom);
    runner.log.coverage = recorder.coverage;
    const before = runner.run(recorder, MASTER, schedule);
    runner.log.coverage = undefined;
    const state = runner.stateHash();
    const segments = linearise(recorder.nodes, runner.cpus.length);
    const after = runner.run(new SegmentScheduler(segments), MASTER, schedule);
    return { before, after, same: runner.stateHash() === state, segments };
  };

  it('comes to the same memory and the same verdict, never with more preemptions', () => {
    let [before, after] = [0, 0];
    for (const program of [reorder(5), twostage(4), wronglock(3)]) {
      for (let schedule = 0; schedule < 50; schedule++) {
        const one = orders(program, schedule);
        expect(one.same).toBe(true);
        expect(one.after.violations.map(({ id }) => id)).toEqual(one.before.violations.map(({ id }) => id));
        before += one.before.preemptions;
        after += one.after.preemptions;
      }
    }
    expect(after).toBeLessThan(before);
  });

  it('needs no switch but one for each actor where they share nothing', () => {
    const apart: Program = {
      name: 'apart',
      words: 6,
      // Two words of memory are one entry.
      actors: [0, 2, 4].map((word) => mover(10, (cpu, base) => addTo(cpu, base + word))),
    };
    const { before, after, segments } = orders(apart, 0);
    expect(before.preemptions).toBeGreaterThan(10);
    expect([after.preemptions, segments.length]).toEqual([0, 3]);
  });
});

describe('a preemption', () => {
  it('moves to the end of the move or to its beginning', () => {
    const runner = new ProgramRunner(ALL_OF_THEM);
    const recorder = new SegmentRecorder(new OverrideScheduler([{ actor: 0, op: 4, next: 1 }]));
    runner.run(recorder, MASTER, 0);
    const at = recorder.segments.findIndex(({ preempted }) => preempted);
    expect(recorder.segments[at]).toMatchObject({ actor: 0, until: 4, rest: 3 });
    for (const [when, until] of [
      ['later', 5],
      ['earlier', 3],
    ] as const) {
      const again = new SegmentRecorder(new SegmentScheduler(settle(recorder.segments, at, when)));
      expect(runner.run(again, MASTER, 0).preemptions).toBe(0);
      expect(again.segments[0]).toMatchObject({ actor: 0, until });
    }
  });

  it('that a failure needs stays, however long one climbs', () => {
    const runner = new ProgramRunner(reorder(3));
    const { place, run } = found(runner);
    const small = minimise(place, run);
    const climbed = climb({ ...place, budget: new Budget(300) }, small);
    expect(climbed.result.preemptions).toBe(small.result.preemptions);
    expect(climbed.result.preemptions).toBeGreaterThan(0);
  });
});

describe('numbers of moves', () => {
  it('are written as ranges', () => {
    expect(rangesOf([0, 1, 2, 5, 7, 8])).toEqual([
      { from: 0, to: 2 },
      { from: 5, to: 5 },
      { from: 7, to: 8 },
    ]);
    expect(numbersOf(rangesOf([0, 1, 2, 5, 7, 8]))).toEqual([0, 1, 2, 5, 7, 8]);
    expect(rangesText([0, 1, 2, 5])).toBe('0-2,5');
    expect(rangesText([])).toBe('');
  });
});
