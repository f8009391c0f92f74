import { describe, expect, it } from 'vitest';
import { bluetooth, reorder, stringBuffer, twostage, wronglock } from '../../bench/kernels/sctbench.ts';
import { ddmin } from '../../src/explore/ddmin.ts';
import { OverrideRecorder, OverrideScheduler } from '../../src/explore/overrides.ts';
import { searchPreemptions } from '../../src/explore/preemption-search.ts';
import { ProgramRunner, type Program } from '../../src/explore/program.ts';
import { regroup, SegmentRecorder, SegmentScheduler } from '../../src/explore/segments.ts';
import { Budget, canonicalise, minimise, NotReproduced, shrink } from '../../src/explore/shrink.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';

const MASTER = 77;

function firstFailure(runner: ProgramRunner): number {
  const walk = new RandomWalk(MASTER);
  for (let i = 0; i < 10_000; i++) if (runner.run(walk, MASTER, i).violations.length > 0) return i;
  throw new Error('no failure in 10,000 schedules');
}

const shrunk = (program: Program) => {
  const runner = new ProgramRunner(program);
  return shrink(new RandomWalk(MASTER), {
    runner,
    master: MASTER,
    schedule: firstFailure(runner),
    signature: ({ id }) => id,
    maxReplays: 200,
    maxCertificate: 20_000,
  });
};

describe('ddmin', () => {
  it('keeps exactly what the failure needs', () => {
    const list = Array.from({ length: 40 }, (_, i) => i);
    const needs = [3, 17, 31];
    const fails = (candidate: readonly number[]) =>
      needs.every((one) => candidate.includes(one)) ? candidate : undefined;
    expect(ddmin(list, fails)).toEqual(needs);
  });

  it('keeps nothing of a failure that needs nothing', () => {
    expect(ddmin([1, 2, 3], (candidate) => candidate)).toEqual([]);
  });
});

describe('overrides', () => {
  it('play the schedule they were recorded from, step by step', () => {
    for (const program of [reorder(5), twostage(4), wronglock(3)]) {
      const runner = new ProgramRunner(program);
      for (let i = 0; i < 50; i++) {
        const recorder = new OverrideRecorder(new RandomWalk(MASTER));
        const { hash } = runner.run(recorder, MASTER, i);
        const replay = new OverrideScheduler(recorder.overrides);
        expect(runner.run(replay, MASTER, i).hash).toBe(hash);
        expect(replay.used).toEqual(recorder.overrides);
        expect(replay.inapplicable).toBeUndefined();
      }
    }
  });

  it('that do not apply are named', () => {
    const runner = new ProgramRunner(reorder(3));
    const replay = new OverrideScheduler([
      { actor: -1, op: 0, next: 2 },
      { actor: 2, op: 1, next: 9 },
    ]);
    runner.run(replay, MASTER, 0);
    expect(replay.inapplicable).toEqual({ actor: 2, op: 1, next: 9 });
  });
});

describe('segments', () => {
  it('play the schedule they were recorded from', () => {
    for (const program of [reorder(5), twostage(4), wronglock(3)]) {
      const runner = new ProgramRunner(program);
      for (let i = 0; i < 50; i++) {
        const recorder = new SegmentRecorder(new RandomWalk(MASTER));
        const { hash, preemptions } = runner.run(recorder, MASTER, i);
        expect(runner.run(new SegmentScheduler(recorder.segments), MASTER, i).hash).toBe(hash);
        expect(recorder.segments.filter(({ preempted }) => preempted)).toHaveLength(preemptions);
      }
    }
  });

  it('of an actor become one where they are grouped, before or after the others', () => {
    const segments = [
      [0, 2],
      [1, 3],
      [0, 5],
      [2, 1],
    ].map(([actor, until]) => ({ actor: actor!, until: until!, preempted: true }));
    const plain = (order: 'first' | 'last') =>
      regroup(segments, 0, 3, order).map(({ actor, until }) => [actor, until]);
    expect(plain('first')).toEqual([
      [0, 5],
      [1, 3],
      [2, 1],
    ]);
    expect(plain('last')).toEqual([
      [1, 3],
      [0, 5],
      [2, 1],
    ]);
  });
});

/** A list that counts how often something is left out of it. */
class Counted<T> extends Array<T> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
  filtered = 0;
  override filter(...args: Parameters<Array<T>['filter']>): T[] {
    this.filtered++;
    return super.filter(...args);
  }
}

describe('a long list of overrides', () => {
  const place = (limit: number) => {
    const runner = new ProgramRunner(reorder(5));
    const schedule = firstFailure(runner);
    const signature = ({ id }: { id: string }): string => id;
    const first = canonicalise(new RandomWalk(MASTER), { runner, master: MASTER, schedule, signature });
    return {
      first,
      place: {
        runner,
        master: MASTER,
        schedule,
        signature,
        wanted: first.signature,
        budget: new Budget(limit),
      },
    };
  };

  it('is not gone through pair by pair once the budget is spent', () => {
    const { first, place: spent } = place(0);
    const overrides = new Counted(
      ...Array.from({ length: 400 }, (_, op) => ({ actor: 0, op: op + 1, next: 1 })),
    );
    const result = minimise(spent, { ...first, overrides });
    expect(result.overrides).toBe(overrides);
    expect(overrides.filtered).toBeLessThan(100);
  });

  it('is gone through while there is budget', () => {
    const { first, place: rich } = place(10_000);
    const least = minimise(rich, first);
    const overrides = new Counted(...least.overrides);
    minimise(rich, { ...least, overrides });
    expect(overrides.filtered).toBeGreaterThan(0);
  });
});

describe('shrinking', () => {
  it.each([reorder(5), twostage(2), wronglock(3), bluetooth, stringBuffer])(
    'gives $name the fewest preemptions, with a certificate',
    (program) => {
      const result = shrunk(program);
      expect(result.certificate.verdict).toBe('minimal');
      expect(result.replays).toBeLessThanOrEqual(200);
      expect(result.result.violations[0]?.id).toBe(result.signature);
      expect(result.result.preemptions).toBeLessThanOrEqual(2);
      expect(result.result.preemptions).toBeLessThanOrEqual(result.before.preemptions);
      const again = new ProgramRunner(program).run(
        new OverrideScheduler(result.overrides),
        MASTER,
        firstFailure(new ProgramRunner(program)),
      );
      expect(again.hash).toBe(result.result.hash);
    },
  );

  it('is the same each time', () => {
    expect(shrunk(wronglock(3))).toEqual(shrunk(wronglock(3)));
  });

  it('of a schedule that passes is refused', () => {
    const runner = new ProgramRunner(deadEnd);
    expect(() =>
      shrink(new RandomWalk(1), {
        runner,
        master: 1,
        schedule: 0,
        signature: ({ id }) => id,
        maxReplays: 10,
        maxCertificate: 10,
      }),
    ).toThrow(NotReproduced);
  });
});

/** No interleaving of it fails. */
const deadEnd: Program = {
  name: 'fine',
  words: 2,
  actors: [0, 1].map(
    () =>
      function* (cpu, base) {
        yield cpu.at(3, base);
        cpu.add(base, 1);
      },
  ),
  check: (word) => (word(0) === 2 ? undefined : 'lost'),
};

describe('the search by preemptions', () => {
  const searchAll = (program: Program, preemptions: number) => {
    const runner = new ProgramRunner(program);
    const hashes = new Set<string>();
    const result = searchPreemptions({
      runner,
      master: 1,
      schedule: 0,
      preemptions,
      maxSchedules: 100_000,
      fails: (run) => {
        hashes.add(run.hash);
        return run.violations.length > 0;
      },
    });
    return { ...result, distinct: hashes.size };
  };

  it('runs every interleaving when the bound is large enough: two actors of n steps have C(2n, n)', () => {
    const independent = (steps: number): Program => ({
      name: 'steps',
      words: 2,
      actors: [0, 1].map(
        () =>
          function* (cpu, base) {
            // The first resumption only announces; n operations make n + 1 moves.
            for (let i = 0; i < steps - 1; i++) {
              yield cpu.at(3, base);
              cpu.add(base, 1);
            }
          },
      ),
    });
    // Each interleaving is run once, whatever the number of bounds on the way.
    const binomial = [1, 2, 6, 20, 70, 252];
    for (const steps of [2, 3, 4, 5]) {
      const result = searchAll(independent(steps), 30);
      expect(result.exhausted).toBe(30);
      expect(result.found).toBeUndefined();
      expect(result.schedules).toBe(binomial[steps]);
      // An n-th addition gives one hash per order of the additions.
      expect(result.distinct).toBe(binomial[steps - 1]);
    }
  });

  it('runs of a lower bound are those of a higher one with few enough preemptions', () => {
    const preemptions = (bound: number) => {
      const runner = new ProgramRunner(twostage(3));
      const counts: number[] = [];
      searchPreemptions({
        runner,
        master: 1,
        schedule: 0,
        preemptions: bound,
        maxSchedules: 100_000,
        fails: (run) => {
          counts[run.preemptions] = (counts[run.preemptions] ?? 0) + 1;
          return false;
        },
      });
      return counts;
    };
    const two = preemptions(2);
    expect(two).toHaveLength(3);
    expect(preemptions(1)).toEqual(two.slice(0, 2));
    expect(preemptions(0)).toEqual(two.slice(0, 1));
  });

  it('finds a bug with the fewest preemptions and none below', () => {
    const result = searchAll(stringBuffer, 5);
    expect(result.found).toBeDefined();
    const needed = result.exhausted + 1;
    expect(searchAll(stringBuffer, needed - 1).found).toBeUndefined();
  });

  it('says how far it came when the budget ends', () => {
    const runner = new ProgramRunner(twostage(4));
    const result = searchPreemptions({
      runner,
      master: 1,
      schedule: 0,
      preemptions: 9,
      maxSchedules: 3,
      fails: () => false,
    });
    expect(result).toEqual({ exhausted: -1, schedules: 3, found: undefined });
  });
});
