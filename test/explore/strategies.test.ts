import { describe, expect, it } from 'vitest';
import { account, reorder, stringBuffer, twostage } from '../../bench/kernels/sctbench.ts';
import { reorder as reorderKernel } from '../../bench/kernels/reorder.ts';
import { write } from '../../bench/kernels/sync.ts';
import { ByteReader, ByteWriter } from '../../src/explore/bytes.ts';
import { readExcerpt, writeExcerpt } from '../../src/explore/excerpt.ts';
import { Profile, PROFILE_RUNS, Profiler } from '../../src/explore/profile.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import type { Scheduler } from '../../src/runtime/scheduler.ts';
import { ProgramRunner, type Program } from '../../src/explore/program.ts';
import { Schedules } from '../../src/explore/scheduler-of.ts';
import {
  parseStrategy,
  STRATEGIES,
  strategyText,
  StrategyError,
} from '../../src/explore/strategies/index.ts';

/** Schedules until the first failure, or `budget` + 1. */
function schedulesToBug(program: Program, strategy: string, seed: number, budget: number): number {
  const runner = new ProgramRunner(program);
  const schedules = new Schedules(runner, seed, parseStrategy(strategy));
  for (let i = 0; i < budget; i++) {
    if (runner.run(schedules.of(i), seed, i).violations.length > 0) return i + 1;
  }
  return budget + 1;
}

const SEEDS = [11, 23, 37, 41, 59];
const mean = (program: Program, strategy: string, budget: number): number =>
  SEEDS.reduce((sum, seed) => sum + schedulesToBug(program, strategy, seed, budget), 0) / SEEDS.length;

/** The bug needs the long actor to be delayed at its very end, behind everything the short one does. */
const longTail: Program = {
  name: 'long-tail',
  words: 4,
  actors: [
    function* (cpu, base) {
      for (let i = 0; i < 60; i++) yield* write(cpu, base, i);
      yield* write(cpu, base + 2, 1);
    },
    function* (cpu, base) {
      yield* write(cpu, base + 2, 2);
    },
  ],
  check: (word) => (word(2) === 2 ? 'the short actor came last' : undefined),
};

describe.each(STRATEGIES.map((strategy) => [strategy.name] as const))('strategy %s', (name) => {
  it('finds the bugs of small kernels', () => {
    for (const program of [reorder(4), twostage(2), account]) {
      for (const seed of SEEDS) expect(schedulesToBug(program, name, seed, 2000)).toBeLessThanOrEqual(2000);
    }
  });

  it('gives a schedule that is a function of seed and number alone', () => {
    const chosen = parseStrategy(name);
    const hashOf = (indices: readonly number[]): string => {
      const runner = new ProgramRunner(stringBuffer);
      const schedules = new Schedules(runner, 5, chosen);
      let last = '';
      for (const i of indices) last = runner.run(schedules.of(i), 5, i).hash;
      return last;
    };
    expect(hashOf([40])).toBe(hashOf([0, 1, 2, 30, 17, 40]));
  });

  it('makes a schedule again from its excerpt alone', () => {
    const chosen = parseStrategy(name);
    const { program } = reorderKernel(4);
    const runner = new ProgramRunner(program);
    const schedules = new Schedules(runner, 5, chosen);
    for (let i = 0; i < 60; i++) {
      const { hash } = runner.run(schedules.of(i), 5, i);
      const excerpt = schedules.excerpt(i);
      expect(excerpt === undefined).toBe(i < PROFILE_RUNS || !chosen.strategy.needsProfile);
      if (excerpt === undefined) continue;
      const bytes = new ByteWriter();
      writeExcerpt(bytes, excerpt);
      const read = readExcerpt(new ByteReader(bytes.base64));
      expect(read).toEqual(excerpt);
      const fresh = new ProgramRunner(program);
      const alone = new Schedules(fresh, 5, chosen, undefined, read).of(i);
      const before = fresh.log.steps;
      expect(fresh.run(alone, 5, i).hash).toBe(hash);
      expect(before).toBe(0);
    }
  });

  it('makes other schedules of another seed', () => {
    const chosen = parseStrategy(name);
    const hashes = (seed: number): string[] => {
      const runner = new ProgramRunner(stringBuffer);
      const schedules = new Schedules(runner, seed, chosen);
      return Array.from({ length: 60 }, (_, i) => runner.run(schedules.of(i), seed, i).hash);
    };
    expect(hashes(1)).not.toEqual(hashes(2));
  });
});

describe('what sets the strategies apart', () => {
  it('weighted and priority strategies order long and short actors; the walk and staying put do not', () => {
    expect(mean(longTail, 'urw', 2000)).toBeLessThan(200);
    expect(mean(longTail, 'pct', 2000)).toBeLessThan(50);
    expect(mean(longTail, 'pos', 2000)).toBeLessThan(50);
    expect(mean(longTail, 'random-walk', 2000)).toBeGreaterThan(1900);
  });

  it('a bound of 0 misses what needs a preemption, a bound of 2 finds it', () => {
    const needsPreemption: Program = {
      name: 'lost update',
      words: 2,
      actors: [0, 1].map(
        () =>
          function* (cpu, base) {
            yield cpu.at(1, base);
            const value = cpu.load(base);
            yield* write(cpu, base, value + 1);
          },
      ),
      check: (word) => (word(0) === 2 ? undefined : 'an update is lost'),
    };
    // The first sixteen are the random walks of the profile.
    const after = (strategy: string): number => {
      const runner = new ProgramRunner(needsPreemption);
      const schedules = new Schedules(runner, 3, parseStrategy(strategy));
      let failures = 0;
      for (let i = 16; i < 200; i++) failures += runner.run(schedules.of(i), 3, i).violations.length;
      return failures;
    };
    expect(after('pb:0')).toBe(0);
    expect(after('pb:2')).toBeGreaterThan(0);
    expect(after('delay:0')).toBe(0);
    expect(after('delay:2')).toBeGreaterThan(0);
  });

  it('SURW finds twostage_20 in fewer schedules than bounded preemptions and PCT', () => {
    const surw = mean(twostage(20), 'surw', 1500);
    expect(surw).toBeLessThan(150);
    expect(mean(twostage(20), 'pb', 1500)).toBeGreaterThan(3 * surw);
    expect(mean(twostage(20), 'pct', 1500)).toBeGreaterThan(2 * surw);
  });
});

describe('threads that are created one after the other', () => {
  const { program } = reorderKernel(10);

  it('are intended by SURW before they exist; the random walk lets the first ones end before', () => {
    expect(mean(program, 'surw', 1000)).toBeLessThan(80);
    expect(mean(program, 'random-walk', 1000)).toBe(1001);
  });

  it('share no location by waiting for each other: there is no order to choose', () => {
    const runner = new ProgramRunner(program);
    const profile = new Profile();
    const profiler = new Profiler(new RandomWalk(9), profile);
    for (let i = 0; i < 4; i++) runner.run(profiler, 9, i);
    // a and b; the words that are set at a thread's start and end are not among them
    expect(profile.sharedLocations.map(({ total }) => total)).toEqual([10, 10]);
  });
});

/** A program whose bug is `when`, asked of the order in which the actors made their operations: 'aabab'. */
function orders(lengths: readonly number[], when: (order: string) => boolean): Program {
  const letters = 'abcdefgh';
  let order = '';
  return {
    name: 'orders',
    words: 2,
    actors: lengths.map(
      (length, actor) =>
        function* (cpu, base) {
          for (let i = 0; i < length; i++) {
            yield cpu.at(Op.Add, base);
            cpu.add(base, 1);
            order += letters[actor]!;
          }
        },
    ),
    check: () => {
      const made = order;
      order = '';
      return when(made) ? made : undefined;
    },
  };
}

/** How often each order of the operations comes up in `schedules` schedules. */
function histogram(lengths: readonly number[], strategy: string, schedules: number): Map<string, number> {
  const counts = new Map<string, number>();
  const program = orders(lengths, (order) => {
    counts.set(order, (counts.get(order) ?? 0) + 1);
    return false;
  });
  const runner = new ProgramRunner(program);
  const all = new Schedules(runner, 77, parseStrategy(strategy));
  all.of(PROFILE_RUNS);
  counts.clear();
  for (let i = PROFILE_RUNS; i < PROFILE_RUNS + schedules; i++) runner.run(all.of(i), 77, i);
  return counts;
}

describe('what the papers promise', () => {
  it('URW is uniform over interleavings: 15 of (4, 2), chi-square below its 0.1 % bound; the walk is far from it', () => {
    const chiSquare = (strategy: string): number => {
      const counts = histogram([4, 2], strategy, 3000);
      expect(counts.size).toBe(15);
      const expected = 3000 / 15;
      let sum = 0;
      for (const count of counts.values()) sum += (count - expected) ** 2 / expected;
      return sum;
    };
    // 14 degrees of freedom.
    expect(chiSquare('urw')).toBeLessThan(36.1);
    expect(chiSquare('random-walk')).toBeGreaterThan(300);
  });

  it('PCT of depth 2 finds each single place of a preemption about once in k schedules, the walk hardly ever', () => {
    // b must run as a whole after the 15th of a's 30 operations: depth 2 with k = 40 decisions, 2 actors: at least 1/80.
    const program = orders([30, 10], (order) => /^a{15}b{10}a{15}$/.test(order));
    expect(mean(program, 'pct:2', 2000)).toBeLessThan(240);
    expect(mean(program, 'random-walk', 2000)).toBeGreaterThan(1999);
  });

  it('PCT by itself lets a loop that waits for somebody else run for ever; a fair end ends it', () => {
    const spin: Program = {
      name: 'spin',
      words: 2,
      maxSteps: 5000,
      actors: [
        function* (cpu, base) {
          for (let value = 0; value === 0;) {
            yield cpu.at(Op.Load, base);
            value = cpu.load(base);
          }
        },
        function* (cpu, base) {
          for (let i = 0; i < 5; i++) yield* write(cpu, base, i === 4 ? 1 : 0);
        },
      ],
    };
    const cutOff = (of: (runner: ProgramRunner) => (schedule: number) => Scheduler): number => {
      const runner = new ProgramRunner(spin);
      const schedulerOf = of(runner);
      let count = 0;
      for (let i = PROFILE_RUNS; i < 80; i++) if (runner.run(schedulerOf(i), 9, i).truncated) count++;
      return count;
    };
    const search = (strategy: string) => (runner: ProgramRunner) => {
      const schedules = new Schedules(runner, 9, parseStrategy(strategy));
      return (i: number) => schedules.of(i);
    };
    const { strategy } = parseStrategy('pct');
    const bare = strategy.make({ master: 9, option: 3, profile: new Profile() });
    expect(cutOff(() => () => bare)).toBeGreaterThan(0);
    for (const name of ['pct', 'fair-pct', 'surw', 'pb', 'delay']) expect(cutOff(search(name))).toBe(0);
  });

  it('a sticky walk has long undisturbed stretches, which a walk does not', () => {
    const program = orders([24, 24], (order) => /ab{20}/.test(order));
    expect(mean(program, 'sticky', 2000)).toBeLessThan(100);
    expect(mean(program, 'random-walk', 2000)).toBeGreaterThan(1900);
  });

  it('actors that others begin count for those: without that, URW starves who is begun last', () => {
    const kernel = reorder(10);
    const start = (base: number, actor: number): number => base + 4 + 2 * actor;
    const begun: Program = {
      name: 'begun',
      words: 26,
      // One more actor begins those of the kernel one after the other, as the main thread of SCTBench does.
      actors: [
        function* (cpu, base) {
          for (let i = 0; i < 10; i++) yield* write(cpu, start(base, i), 1);
        },
        ...kernel.actors.map(
          (actor, i) =>
            function* (cpu: PlainCpu, base: number): Steps<void> {
              yield cpu.at(Op.Wait, start(base, i), 0);
              cpu.wait(start(base, i), 0);
              yield* actor(cpu, base);
            },
        ),
      ],
    };
    expect(mean(begun, 'urw', 1000)).toBeLessThan(200);
    expect(mean(begun, 'surw', 1000)).toBeLessThan(200);
    expect(mean(begun, 'random-walk', 1000)).toBeGreaterThan(800);
  });
});

describe('the name of a strategy', () => {
  it('takes its number after a colon and leaves the default out', () => {
    expect(strategyText(parseStrategy('pct:5'))).toBe('pct:5');
    expect(strategyText(parseStrategy('pct:3'))).toBe('pct');
    expect(parseStrategy('sticky:0.5').option).toBe(0.5);
  });

  it('is refused with what is allowed', () => {
    expect(() => parseStrategy('dfs')).toThrow(StrategyError);
    expect(() => parseStrategy('dfs')).toThrow(/allowed is one of portfolio, random-walk/);
    expect(() => parseStrategy('pct:0')).toThrow(/from 1 to 100/);
    expect(() => parseStrategy('pct:2.5')).toThrow(StrategyError);
    expect(() => parseStrategy('pos:3')).toThrow(/takes no number/);
    expect(() => parseStrategy('pct:')).toThrow(StrategyError);
  });
});
