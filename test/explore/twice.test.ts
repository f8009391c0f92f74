import { describe, expect, it } from 'vitest';
import { twostage } from '../../bench/kernels/sctbench.ts';
import { read, write } from '../../bench/kernels/sync.ts';
import { Op } from '../../src/cpu/steps.ts';
import { ProgramBug, ProgramRunner, type Program } from '../../src/explore/program.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { Twice, type Divergence } from '../../src/explore/twice.ts';

const MASTER = 3;
const walk = new RandomWalk(MASTER);

/** Two actors of some operations; what the second stores, and how often, comes from outside. */
const leaky = (outside: () => number, times: () => number = () => 1): Program => ({
  name: 'leaky',
  words: 4,
  actors: [
    function* (cpu, base) {
      for (let i = 0; i < 3; i++) yield* write(cpu, base, i);
    },
    function* (cpu, base) {
      yield* read(cpu, base);
      for (let i = times(); i > 0; i--) yield* write(cpu, base + 2, outside());
    },
  ],
});

function twice(program: Program, schedule = 0): Divergence | undefined {
  const runs = new Twice(new ProgramRunner(program));
  runs.first(walk, MASTER, schedule);
  return runs.again(walk, MASTER, schedule);
}

describe('a schedule that is run twice', () => {
  it('is the same run where the program is a function of its seed', () => {
    for (let schedule = 0; schedule < 50; schedule++) expect(twice(twostage(3), schedule)).toBeUndefined();
  });

  it('has its first differing operation named, with what it was both times', () => {
    let time = 100;
    const found = twice(leaky(() => time++))!;
    expect(found.first).toMatchObject({ actor: 1, op: Op.Store, lo: 100 });
    expect(found.second).toMatchObject({ actor: 1, op: Op.Store, lo: 101 });
    expect(found.first!.word).toBe(found.second!.word);
    expect(found.step).toBeGreaterThanOrEqual(1);
    expect(found.results[0].hash).not.toBe(found.results[1].hash);
  });

  it('that ends sooner or later the second time is named where one of them has no operation', () => {
    for (const lengths of [
      [2, 1],
      [1, 2],
    ]) {
      const left = [...lengths];
      const alone: Program = {
        name: 'alone',
        words: 2,
        actors: [
          leaky(
            () => 5,
            () => left.shift()!,
          ).actors[1]!,
        ],
      };
      const found = twice(alone)!;
      expect(found.step).toBe(2);
      expect([found.first === undefined, found.second === undefined]).toEqual([
        lengths[0] === 1,
        lengths[1] === 1,
      ]);
    }
  });

  it('is told apart by its verdict alone, too', () => {
    let runs = 0;
    const moody: Program = { ...leaky(() => 5), check: () => (runs++ % 2 === 0 ? undefined : 'bad mood') };
    expect(twice(moody)).toMatchObject({ step: -1, first: undefined, second: undefined });
  });

  it('is compared operation by operation beyond what the record holds at first', () => {
    let last = 0;
    const long: Program = {
      name: 'long',
      words: 2,
      actors: [
        function* (cpu, base) {
          for (let i = 0; i < 9_000; i++) yield* write(cpu, base, i);
          yield* write(cpu, base, last++);
        },
      ],
    };
    expect(twice(long)).toMatchObject({ step: 9_000, first: { lo: 0 }, second: { lo: 1 } });
  });
});

describe('a run without record', () => {
  /** Reads a clock that ticks once in `period` readings. */
  const ticking = (period: number): Program => {
    let readings = 0;
    return leaky(() => Math.floor(readings++ / period));
  };
  const check = (program: Program): Divergence | undefined => {
    const runner = new ProgramRunner(program);
    return new Twice(runner).check(walk, MASTER, 0, runner.run(walk, MASTER, 0));
  };

  it('is compared with a second one, and more are made until one shows the operation', () => {
    expect(check(twostage(3))).toBeUndefined();
    for (const period of [9, 10]) {
      let readings = 0;
      const late = leaky(() => (readings++ === 0 ? 7 : Math.floor(readings / period)));
      expect(check(late)).toMatchObject({ first: { op: Op.Store, lo: 0 }, second: { op: Op.Store, lo: 1 } });
    }
    expect(check(ticking(1))!.step).toBeGreaterThan(0);
  });

  it('that never differs again is reported by its results', () => {
    let first = true;
    const once = leaky(() => {
      const value = first ? 1 : 2;
      first = false;
      return value;
    });
    const found = check(once)!;
    expect(found.step).toBe(-1);
    expect(found.results[0].hash).not.toBe(found.results[1].hash);
  });

  it('needs a run to compare with', () => {
    expect(() => new Twice(new ProgramRunner(twostage(3))).again(walk, MASTER, 0)).toThrow(/needs a run/);
  });

  it('keeps a failure that is a failure both times', () => {
    const bad: Program = {
      name: 'bad',
      words: 2,
      actors: [
        function* (cpu, base) {
          yield* write(cpu, base, 1);
          throw new ProgramBug('always');
        },
      ],
    };
    expect(check(bad)).toBeUndefined();
  });
});
