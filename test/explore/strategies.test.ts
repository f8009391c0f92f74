import { describe, expect, it } from 'vitest';
import { account, reorder, stringBuffer, twostage } from '../../bench/kernels/sctbench.ts';
import { reorder as reorderKernel } from '../../bench/kernels/reorder.ts';
import { write } from '../../bench/kernels/sync.ts';
import { Profile, Profiler } from '../../src/explore/profile.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
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

describe('the name of a strategy', () => {
  it('takes its number after a colon and leaves the default out', () => {
    expect(strategyText(parseStrategy('pct:5'))).toBe('pct:5');
    expect(strategyText(parseStrategy('pct:3'))).toBe('pct');
    expect(parseStrategy('sticky:0.5').option).toBe(0.5);
  });

  it('is refused with what is allowed', () => {
    expect(() => parseStrategy('dfs')).toThrow(StrategyError);
    expect(() => parseStrategy('dfs')).toThrow(/allowed is one of random-walk/);
    expect(() => parseStrategy('pct:0')).toThrow(/from 1 to 100/);
    expect(() => parseStrategy('pct:2.5')).toThrow(StrategyError);
    expect(() => parseStrategy('pos:3')).toThrow(/takes no number/);
    expect(() => parseStrategy('pct:')).toThrow(StrategyError);
  });
});
