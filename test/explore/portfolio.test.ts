import { describe, expect, it } from 'vitest';
import { bluetooth, reorder, stringBuffer, twostage } from '../../bench/kernels/sctbench.ts';
import { ProgramRunner, type Program } from '../../src/explore/program.ts';
import { Schedules } from '../../src/explore/scheduler-of.ts';
import { parseStrategy, STRATEGIES, strategyText } from '../../src/explore/strategies/index.ts';

const SEEDS = [3, 14, 159, 26, 5];

function schedulesToBug(program: Program, strategy: string, seed: number, budget: number): number {
  const runner = new ProgramRunner(program);
  const schedules = new Schedules(runner, seed, parseStrategy(strategy));
  for (let i = 0; i < budget; i++) {
    if (runner.run(schedules.of(i), seed, i).violations.length > 0) return i + 1;
  }
  return budget;
}

const mean = (program: Program, strategy: string): number =>
  SEEDS.reduce((sum, seed) => sum + schedulesToBug(program, strategy, seed, 1500), 0) / SEEDS.length;

describe('the portfolio', () => {
  it('finds what its best arm finds, where a single other one misses it', () => {
    expect(mean(twostage(20), 'portfolio')).toBeLessThan(300);
    expect(mean(twostage(20), 'pb')).toBeGreaterThan(600);
    for (const program of [reorder(10), bluetooth]) expect(mean(program, 'portfolio')).toBeLessThan(100);
  });

  it('is the same search every time', () => {
    const play = (): string[] => {
      const runner = new ProgramRunner(stringBuffer);
      const schedules = new Schedules(runner, 8, parseStrategy('portfolio'));
      return Array.from({ length: 400 }, (_, i) => {
        const { hash } = runner.run(schedules.of(i), 8, i);
        return `${strategyText(schedules.concrete(i))} ${hash}`;
      });
    };
    expect(play()).toEqual(play());
  });

  it('names for each schedule the strategy that makes it alone', () => {
    const runner = new ProgramRunner(stringBuffer);
    const schedules = new Schedules(runner, 8, parseStrategy('portfolio'));
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const { hash } = runner.run(schedules.of(i), 8, i);
      const name = strategyText(schedules.concrete(i));
      seen.add(name);
      const alone = new ProgramRunner(stringBuffer);
      expect(alone.run(new Schedules(alone, 8, parseStrategy(name)).of(i), 8, i).hash).toBe(hash);
    }
    expect(seen.size).toBeGreaterThanOrEqual(5);
    expect([...seen].every((name) => STRATEGIES.includes(parseStrategy(name).strategy))).toBe(true);
  });

  it('may begin at any schedule', () => {
    const runner = new ProgramRunner(stringBuffer);
    const schedules = new Schedules(runner, 8, parseStrategy('portfolio'));
    for (let i = 5000; i < 5040; i++) runner.run(schedules.of(i), 8, i);
    expect(() => schedules.of(20_000)).toThrow(/depends on/);
  });
});
