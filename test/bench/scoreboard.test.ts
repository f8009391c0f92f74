import { describe, expect, it } from 'vitest';
import { compare } from '../../bench/scoreboard/compare.ts';
import { bestOf, blockGeomean, figuresOf, worseThanBest } from '../../bench/scoreboard/figures.ts';
import { gridMarkdown, gridText } from '../../bench/scoreboard/grid.ts';
import { mutationGrid } from '../../bench/scoreboard/mutants.ts';
import { measure } from '../../bench/scoreboard/measure.ts';
import { parseOptions, UsageError } from '../../bench/scoreboard/options.ts';
import { beside, PUBLISHED } from '../../bench/scoreboard/published.ts';
import {
  formatResults,
  mergeResults,
  parseResults,
  ResultsError,
  type Cell,
  type Results,
} from '../../bench/scoreboard/results.ts';
import runTask from '../../bench/scoreboard/worker.ts';
import { ENTRIES } from '../../bench/scoreboard/subjects.ts';
import { details, overviews } from '../../bench/scoreboard/tables.ts';
import { targetsOf } from '../../bench/scoreboard/targets.ts';
import { geometricMean } from '../../src/measure/survival.ts';

const cell = (subject: string, strategy: string, schedules: Cell['schedules']): Cell => ({
  subject,
  strategy,
  schedules,
  steps: 100,
  by: {},
});
const results = (...cells: Cell[]): Results => ({
  format: 'splitstorm-scoreboard 1',
  seed: '1',
  trials: cells[0]?.schedules.length ?? 1,
  budget: 1000,
  cells,
});
const byValue = (a: number, b: number): number => a - b;
/** Twenty trials around `schedules`. */
const around = (schedules: number): number[] =>
  Array.from({ length: 20 }, (_, i) => Math.max(1, Math.round(schedules * (0.6 + 0.04 * i))));
const always = (schedules: number | null): Cell['schedules'] => Array.from({ length: 20 }, () => schedules);

describe('a small scoreboard', () => {
  const options = {
    subjects: ['reorder_3', 'account'],
    strategies: ['surw', 'random-walk'],
    trials: 3,
    budget: 200,
    seed: 'smoke',
    workers: 2,
  };

  it('on two workers is what its trials are, one by one', async () => {
    const { signal } = new AbortController();
    const trials: number[] = [];
    const board = await measure({
      ...options,
      signal,
      onTrial: (_done, _total, _task, trial) => trials.push(trial.schedules),
    });
    expect(board.cells.map(({ subject, strategy }) => `${subject} ${strategy}`)).toEqual([
      'reorder_3 surw',
      'reorder_3 random-walk',
      'account surw',
      'account random-walk',
    ]);
    for (const { subject, strategy, schedules } of board.cells) {
      for (const [trial, count] of schedules.entries())
        expect((await runTask({ ...options, subject, strategy, trial })).schedules).toBe(count);
    }
    const all = board.cells.flatMap(({ schedules }) => schedules.map((count) => count!));
    expect(trials.sort(byValue)).toEqual([...all].sort(byValue));
    expect(new Set(all).size).toBeGreaterThan(3);
    expect(board.cells[2]!.by).toEqual({ check: 3 });
    expect(figuresOf(board.cells[0]!, 200).geomean).toBeCloseTo(geometricMean(all.slice(0, 3)), 9);
    expect(parseResults(formatResults(board), 'own')).toEqual(board);
  });

  it('that is interrupted has the cells that were done', async () => {
    const abort = new AbortController();
    const board = await measure({
      ...options,
      trials: 2,
      workers: 1,
      signal: abort.signal,
      onTrial: (done) => {
        if (done === 3) abort.abort();
      },
    });
    expect(board.cells.map(({ strategy }) => strategy)).toEqual(['surw']);
  });
});

describe('the figures of a cell', () => {
  it('count misses at the budget in the geometric mean and leave them out of the mean', () => {
    const figures = figuresOf(cell('a', 'surw', [10, null, 10, 1000]), 1000);
    expect(figures).toMatchObject({ trials: 4, found: 3, mean: 340, median: 10, restrictedMean: 505 });
    expect(figures.geomean).toBeCloseTo(100, 9);
    expect(figuresOf(cell('a', 'surw', [null, null]), 1000)).toMatchObject({ found: 0, median: undefined });
  });

  it('mark what is worse than the best of its row, and only that', () => {
    const board = results(
      cell('a', 'surw', around(10)),
      cell('a', 'pos', around(11)),
      cell('a', 'pct', around(200)),
      cell('a', 'random-walk', always(null)),
    );
    expect(bestOf(board, 'a', ['surw', 'pos'])?.strategy).toBe('surw');
    expect(board.cells.map((one) => worseThanBest(board, one))).toEqual([false, false, true, true]);
  });

  it('of a block are missing where one of its rows is', () => {
    const board = results(cell('a', 'surw', [10]), cell('b', 'surw', [1000]), cell('a', 'pos', [3]));
    expect(blockGeomean(board, ['a', 'b'], 'surw')).toBeCloseTo(100, 9);
    expect(blockGeomean(board, ['a', 'b'], 'pos')).toBeUndefined();
  });
});

describe('the gate', () => {
  const before = results(cell('a', 'surw', around(20)), cell('a', 'pos', around(50)));
  const verdicts = (now: Results): string[] =>
    compare(before, now)
      .filter(({ worse }) => worse)
      .map(({ subject, strategy }) => `${subject} ${strategy ?? 'all'}`);

  it('lets the same results pass', () => {
    expect(compare(before, before).map(({ before, now, p }) => [now / before, p])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
    expect(verdicts(before)).toEqual([]);
  });

  it('lets pass what is better, and what is worse but not by 1.5', () => {
    expect(verdicts(results(cell('a', 'surw', around(2)), cell('a', 'pos', around(5))))).toEqual([]);
    expect(verdicts(results(cell('a', 'surw', around(27)), cell('a', 'pos', around(65))))).toEqual([]);
  });

  it('stops a kernel that is found three times as late, and a strategy that is', () => {
    expect(verdicts(results(cell('a', 'surw', around(60)), cell('a', 'pos', around(150))))).toEqual([
      'a all',
      'a surw',
      'a pos',
    ]);
    expect(verdicts(results(cell('a', 'surw', always(null)), cell('a', 'pos', around(50))))).toContain(
      'a surw',
    );
  });

  it('lets a difference pass that chance can make', () => {
    const few = results(cell('a', 'surw', [5, 40]));
    expect(compare(few, results(cell('a', 'surw', [50, 60]))).some(({ worse }) => worse)).toBe(false);
  });

  it('refuses what does not compare', () => {
    expect(() => compare(before, { ...before, budget: 10 })).toThrow(ResultsError);
    expect(() => compare(before, results(cell('b', 'surw', [1])))).toThrow(/no kernel and strategy/);
  });
});

describe('stored results', () => {
  const board = results(cell('a', 'surw', [1, null]));

  it('are refused with the place where they are wrong', () => {
    expect(() => parseResults('{', 'f.json')).toThrow(/^f\.json: not JSON/);
    expect(() => parseResults(JSON.stringify({ ...board, trials: 0 }), 'f.json')).toThrow(
      /^f\.json: trials: /,
    );
    expect(() => parseResults(JSON.stringify({ ...board, format: 'x' }), 'f.json')).toThrow(
      /^f\.json: format: /,
    );
    expect(() =>
      parseResults(JSON.stringify({ ...board, cells: [{ ...board.cells[0], schedules: [0] }] }), 'f.json'),
    ).toThrow(/^f\.json: cells\.0\.schedules\.0: /);
  });

  it('of several runs go together if they are of one kind and have nothing in common', () => {
    const other = results(cell('b', 'surw', [2, 3]));
    expect(mergeResults([board, other]).cells).toHaveLength(2);
    expect(() => mergeResults([board, board])).toThrow(/in two of the results/);
    expect(() => mergeResults([board, { ...other, seed: '2' }])).toThrow(/do not go together/);
  });
});

describe('the options', () => {
  it('take blocks and names in the order of the table', () => {
    expect(parseOptions(['--kernels', 'hundred,account']).subjects).toEqual([
      'account',
      'reorder_100',
      'twostage_100',
    ]);
    expect(parseOptions([]).subjects).toEqual(ENTRIES.map(({ name }) => name));
    expect(parseOptions(['--strategies', 'pct:3,pct,pos']).strategies).toEqual(['pct', 'pos']);
  });

  it.each([
    [['--kernels', 'reorder_7'], /^--kernels: "reorder_7" given, allowed is one of small/],
    [['--strategies', 'dfs'], /^--strategies: strategy: "dfs" given/],
    [['--trials', '0'], /^--trials: "0" given, allowed is a whole number from 1 to 1000$/],
    [['--budget', '1e4'], /^--budget: /],
    [['--workers', '-1'], /workers/],
    [['--frobnicate'], /frobnicate/],
    [['kernel'], /kernel/],
  ])('refuse %j', (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });
});

describe('the tables', () => {
  const board = results(
    cell('reorder_3', 'surw', around(10)),
    cell('reorder_3', 'random-walk', [...around(300).slice(1), null]),
  );

  it('mark the best, what is worse and what was missed, with the legend at the end', () => {
    const [grid] = overviews(board);
    expect(grid!.rows[0]).toEqual([
      'reorder_3',
      expect.stringMatching(/^9\.\d =$/),
      expect.stringMatching(/ \(19\) \*$/),
    ]);
    expect(grid!.notes.join(' ')).toMatch(/over 20 trials, misses at the budget of 1,000.*master seed 1/);
  });

  it('give everything about a cell', () => {
    const [surw, walk] = details(board).rows;
    expect(surw!.slice(0, 4)).toEqual(['reorder_3', 'surw', '9.8 ± 2.4', '20/20']);
    expect(walk![3]).toBe('19/20');
    expect(walk![7]).toBe('*');
  });

  it('fit a narrow terminal by being cut into parts, and escape what Markdown would take', () => {
    const grid = { title: 't', head: ['', 'one', 'two'], rows: [['name', '1 *', '2|3']], notes: ['n'] };
    expect(gridText(grid, 12)).toBe(
      't\n\n      one\n---------\nname  1 *\n\n      two\n---------\nname  2|3\n  n\n',
    );
    for (const line of gridText(grid, 12).split('\n')) expect(line.length).toBeLessThanOrEqual(12);
    expect(gridMarkdown(grid)).toContain('| name | 1 \\* | 2\\|3 |');
  });

  it('have the published figures beside ours', () => {
    const surw = PUBLISHED.find(({ id }) => id === 'surw')!;
    const grid = beside(board, surw)!;
    expect(grid.head).toEqual(['', 'surw', 'random-walk']);
    expect(grid.rows).toEqual([['reorder_3', '7 : 9.8', expect.stringMatching(/^0 : \d+ \(19\)$/)]]);
    expect(grid.notes[0]).toMatch(/ASPLOS 2025/);
    expect(beside(results(cell('busted-lock', 'surw', [1])), surw)).toBeUndefined();
  });

  it('of the publications are whole: a cell for each strategy, and every name of ours is in one', () => {
    for (const { strategies, rows, summary } of PUBLISHED) {
      for (const row of [...Object.values(rows), ...Object.values(summary)])
        expect(row).toHaveLength(strategies.length);
    }
    const names = new Set(PUBLISHED.flatMap(({ rows }) => Object.keys(rows)));
    const own = ENTRIES.flatMap(({ kernel }) => kernel?.published ?? []);
    expect(own.filter((name) => !names.has(name))).toEqual([]);
    expect(own.length).toBeGreaterThan(15);
  });
});

describe('the mutation score', () => {
  it('counts the mutants that were measured and found, and names those that no variant is', () => {
    const grid = mutationGrid(
      results(
        cell('no-restart-after-eagain', 'surw', always(1)),
        cell('one-descriptor-short', 'surw', always(null)),
        cell('reorder_3', 'surw', always(3)),
      ),
    )!;
    expect(grid.rows.map(([id, , , by]) => `${id} ${by}`)).toEqual(['m1 1 of 1', 'm5 0 of 1']);
    expect(grid.notes[0]).toMatch(/^1 of 2 killed within 1,000 schedules; no variant: m2, m3, .*m16$/);
    expect(mutationGrid(results(cell('reorder_3', 'surw', [1])))).toBeUndefined();
  });
});

describe('the targets', () => {
  const many = ['reorder_10', 'reorder_20', 'twostage_20', 'split_8_6', 'split_24_6'];
  const small = ENTRIES.filter(({ block }) => block === 'small').map(({ name }) => name);
  const board = (portfolio: number, walk: number): Results =>
    results(
      ...small.flatMap((name) => [
        cell(name, 'surw', around(10)),
        cell(name, 'portfolio', around(portfolio)),
      ]),
      ...many.flatMap((name) => [
        cell(name, 'surw', around(20)),
        cell(name, 'portfolio', around(30)),
        cell(name, 'random-walk', around(walk)),
      ]),
      cell('busted-lock', 'surw', always(3)),
    );
  const met = (of: Results): Record<string, boolean> =>
    Object.fromEntries(targetsOf(of).map(({ what, met }) => [what.split(',')[0]!, met]));

  it('are met, or are not', () => {
    expect(met(board(12, 700))).toEqual({
      'kernels of at most 20 threads': true,
      'many threads': true,
      'portfolio / best strategy': true,
      'busted-lock': true,
    });
    expect(met(board(30, 100))).toMatchObject({ 'many threads': false, 'portfolio / best strategy': false });
    expect(met(board(12, 700))).not.toHaveProperty('never-flush-on-reuse');
  });

  it('of a block are judged when all of it was measured', () => {
    const part = board(12, 700);
    const cells = part.cells.filter(({ subject }) => subject !== 'split_8_6' && subject !== 'account');
    expect(Object.keys(met({ ...part, cells }))).toEqual(['portfolio / best strategy', 'busted-lock']);
  });
});
