import { describe, expect, it } from 'vitest';
import { HUNDRED, KERNELS, MANY, SMALL } from '../../bench/kernels/all.ts';
import { OverrideScheduler } from '../../src/explore/overrides.ts';
import { ProgramRunner } from '../../src/explore/program.ts';
import { Schedules } from '../../src/explore/scheduler-of.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';

const MASTER = 4711;

/** What the first failure of a strategy's first schedules is. */
function firstFailure(program: (typeof KERNELS)[number]['program'], schedules: number): string | undefined {
  const runner = new ProgramRunner(program);
  const of = new Schedules(runner, MASTER, parseStrategy('surw'));
  for (let i = 0; i < schedules; i++) {
    const [violation] = runner.run(of.of(i), MASTER, i).violations;
    if (violation !== undefined) return violation.id;
  }
  return undefined;
}

/** Failures among the first schedules of a strategy, each run twice. */
function failures(
  program: (typeof KERNELS)[number]['program'],
  strategy: string,
  schedules: number,
): string[] {
  const runner = new ProgramRunner(program);
  const of = new Schedules(runner, MASTER, parseStrategy(strategy));
  const ids: string[] = [];
  for (let i = 0; i < schedules; i++) {
    const first = runner.run(of.of(i), MASTER, i);
    const { hash, violations } = runner.run(of.of(i), MASTER, i);
    expect(hash).toBe(first.hash);
    ids.push(...violations.map(({ id, text }) => `${id}: ${text}`));
  }
  return ids;
}

describe.each(KERNELS.map((kernel) => [kernel.name, kernel] as const))('kernel %s', (name, kernel) => {
  const hundred = HUNDRED.includes(kernel);

  it('has as many actors and operations as it says, and passes where nobody is preempted', () => {
    for (const program of [kernel.program, kernel.fixed]) {
      const runner = new ProgramRunner(program);
      const result = runner.run(new OverrideScheduler([]), MASTER, 0);
      expect(result.violations).toEqual([]);
      expect(result.preemptions).toBe(0);
      expect(runner.cpus).toHaveLength(kernel.threads);
    }
    const { steps } = new ProgramRunner(kernel.program).run(new OverrideScheduler([]), MASTER, 0);
    expect(steps).toBe(kernel.steps);
  });

  it('has a bug that some schedule shows', () => {
    expect(firstFailure(kernel.program, 1000)).toBe(
      name === 'deadlock01' ? 'deadlock' : name === 'account' ? 'check' : 'assertion',
    );
  });

  it.each(['random-walk', 'surw', 'pct'])('has none when it is fixed: %s', (strategy) => {
    expect(failures(kernel.fixed, strategy, hundred ? 5 : 200)).toEqual([]);
  });

  it('is named once', () => {
    expect(KERNELS.filter((other) => other.name === name)).toHaveLength(1);
    expect(kernel.program.name).toBe(name);
  });
});

describe('the blocks', () => {
  it('are told apart by their threads', () => {
    expect(Math.max(...SMALL.map(({ threads }) => threads))).toBeLessThanOrEqual(6);
    expect(Math.min(...MANY.map(({ threads }) => threads))).toBeGreaterThan(6);
    expect(HUNDRED.map(({ threads }) => threads)).toEqual([101, 101]);
  });
});
