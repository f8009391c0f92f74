import { describe, expect, it } from 'vitest';
import { findBugs, quarriesOf, quarryOf } from '../../../src/campaign/bugs/corpus.ts';
import { hunt, type Hunt } from '../../../src/campaign/bugs/hunt.ts';
import { planClean, planHunts, trialSeed } from '../../../src/campaign/bugs/plan.ts';
import { cleanScoreOf, scoreOf } from '../../../src/campaign/bugs/score.ts';

const quarry = quarryOf(findBugs('B-36')[0]!);
const options = {
  quarries: [quarry, quarryOf(findBugs('B-18')[0]!)],
  trials: 2,
  strategy: 'random-walk',
  seed: 'x',
  schedules: 20,
  replays: 50,
};

const timeless = ({ ms: _, ...rest }: Hunt): Omit<Hunt, 'ms'> => rest;

describe('a hunt', () => {
  it('finds a bug by the check its record names, shrinks it, and is a function of its task', async () => {
    const task = { ...planHunts(options)[0]!.task, limitMs: 60_000 };
    const first = await hunt(task);
    expect(first.caught).toMatchObject({ check: 'Q31', shrunkTo: 0 });
    expect(first.caught?.token).toMatch(/^S\d+\.nested-migration~@[\w-]+~vcpus=1~/);
    expect(first).toMatchObject({ diverged: false, cut: false });
    expect(timeless(await hunt(task))).toEqual(timeless(first));
  });

  it('of the clean engine finds nothing', async () => {
    const [{ task } = { task: undefined }] = planClean(options, new Map(), 30);
    const result = await hunt({ ...task!, limitMs: 60_000 });
    expect([result.schedules, result.caught]).toEqual([30, undefined]);
  });

  it('ends with what it has when the time is up', async () => {
    const task = { ...planHunts({ ...options, schedules: 1_000_000 })[0]!.task, variants: ['p1'] };
    const result = await hunt({ ...task, limitMs: 1 });
    expect(result.cut).toBe(true);
    expect(result.schedules).toBeLessThan(10_000);
  });
});

describe('the plan of a score', () => {
  it('has a bug once for each scenario that its record names, with the same checks', () => {
    const places = quarriesOf(findBugs('B-51')[0]!);
    expect(places.map(({ scenario }) => scenario)).toEqual(['table-in-page', 'table-rights', 'kitchen-sink']);
    expect(new Set(places.map(({ accepted }) => accepted.join())).size).toBe(1);
    expect(quarriesOf(findBugs('B-51')[0]!, 'l1-remap').map(({ scenario }) => scenario)).toEqual([
      'l1-remap',
    ]);
  });

  it('goes round by round, each trial from a seed of its own, and shrinks once for each bug', () => {
    const plan = planHunts(options);
    expect(plan.map(({ quarry: { id } }) => id)).toEqual(['B-36', 'B-18', 'B-36', 'B-18']);
    expect(plan.map(({ task }) => task.seed)).toEqual([0, 0, 1, 1].map((trial) => trialSeed('x', trial)));
    expect(plan.map(({ task }) => task.replays)).toEqual([50, 50, 0, 0]);
  });

  it('has the clean engine once for each machine, with as many schedules as the bugs took there', () => {
    const plan = planClean(options, new Map([[options.quarries[1]!, 700]]), 10);
    expect(plan.map(({ task }) => [task.variants, task.scenario, task.schedules])).toEqual([
      [['p1'], 'nested-migration', 700],
    ]);
  });
});

describe('a score', () => {
  const found = (check: string, schedules: number): Hunt => ({
    schedules,
    steps: 1,
    ms: schedules,
    diverged: false,
    cut: false,
    caught: { check, text: 'why', schedules, token: 't', preemptions: 3, shrunkTo: 1 },
  });
  const missed: Hunt = { schedules: 100, steps: 1, ms: 100, diverged: false, cut: true, caught: undefined };

  it('has the median after Kaplan and Meier, and no complaint if the right check fired every time', () => {
    const score = scoreOf(quarry, 's', [found('Q31', 1), found('Q31', 5), found('Q31', 9)]);
    expect(score).toMatchObject({
      found: 3,
      trials: 3,
      medianSchedules: 5,
      maxSchedules: 9,
      checks: { Q31: 3 },
      preemptions: 1,
    });
    expect(score.complaint).toBeUndefined();
  });

  it.each([
    ['of another check', [found('Q1', 1)], /^Q1 fired, and the record names Q31: why/],
    ['of a hunt that found nothing', [found('Q31', 1), { ...missed, cut: false }], /^missed in 1 of 2$/],
    ['of a hunt that the budget cut short', [missed], /^not found before the budget was used up/],
    ['of a broken determinism', [{ ...missed, diverged: true }], /another trace/],
    ['of a bug that was not hunted', [], /not hunted/],
  ])('complains %s', (_, hunts, complaint) => {
    expect(scoreOf(quarry, 's', hunts).complaint).toMatch(complaint);
  });

  it('counts a hunt that was cut short for the median, but not among the trials', () => {
    const score = scoreOf(quarry, 's', [found('Q31', 1), missed]);
    expect(score).toMatchObject({ found: 1, trials: 1, medianSchedules: 1 });
    expect(score.complaint).toBeUndefined();
  });

  it('of the clean engine complains of anything found, and of nothing else', () => {
    expect(cleanScoreOf(quarry, 's', [missed]).complaint).toBeUndefined();
    expect(cleanScoreOf(quarry, 's', [found('Q31', 1)]).complaint).toMatch(/^false alarm: Q31/);
  });
});
