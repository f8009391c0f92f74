/** The tables of a scoreboard. */
import { formatCount } from '../../src/report/text.ts';
import { bestOf, blockGeomean, figuresOf, worseThanBest } from './figures.ts';
import type { Grid } from './grid.ts';
import { cellOf, names, type Results } from './results.ts';
import { BLOCK_TITLES, BLOCKS, ENTRIES, type Block } from './subjects.ts';

/** Schedules: one decimal below ten. */
export const schedulesText = (value: number): string =>
  value < 9.95 ? value.toFixed(1) : formatCount(value);

/** Subjects of a block that were measured, in the block's order. */
export const measuredIn = (results: Results, block: Block): string[] => {
  const measured = new Set(names(results, 'subject'));
  return ENTRIES.filter((entry) => entry.block === block && measured.has(entry.name)).map(({ name }) => name);
};

/** Geometric means, a row a subject and a column a strategy. */
function overview(results: Results, block: Block): Grid {
  const strategies = names(results, 'strategy');
  const subjects = measuredIn(results, block);
  const rows = subjects.map((subject) => [
    subject,
    ...strategies.map((strategy) => {
      const cell = cellOf(results, subject, strategy);
      if (cell === undefined) return '';
      const { geomean, found, trials } = figuresOf(cell, results.budget);
      const best = bestOf(results, subject, strategies) === cell;
      const mark = best ? ' =' : worseThanBest(results, cell) ? ' *' : '  ';
      return `${schedulesText(geomean)}${found < trials ? ` (${found})` : ''}${mark}`;
    }),
  ]);
  const totals = strategies.map((strategy) => blockGeomean(results, subjects, strategy));
  const total = [
    'geometric mean',
    ...totals.map((value) => (value === undefined ? '' : `${schedulesText(value)}  `)),
  ];
  return {
    title: BLOCK_TITLES[block],
    head: ['', ...strategies.map((name) => `${name}  `)],
    rows: [...rows, total],
    notes: [],
  };
}

const LEGEND = (results: Results): string[] => [
  `geometric means of schedules to the first failure over ${results.trials} trials, misses at the budget of ${formatCount(results.budget)}; profile runs count`,
  '(k): trials that found it, where not all did; = the best of the row; * worse than it (log-rank, p < 0.05)',
  `master seed ${results.seed}`,
];

/** The overviews of all blocks that were measured; the legend stands below the last. */
export function overviews(results: Results): Grid[] {
  const blocks = BLOCKS.filter((block) => measuredIn(results, block).length > 0);
  return blocks.map((block, index) => {
    const grid = overview(results, block);
    return index === blocks.length - 1 ? { ...grid, notes: LEGEND(results) } : grid;
  });
}

/** Everything about each cell, a row a cell. */
export function details(results: Results): Grid {
  const rows = BLOCKS.flatMap((block) => measuredIn(results, block)).flatMap((subject) =>
    names(results, 'strategy').flatMap((strategy) => {
      const cell = cellOf(results, subject, strategy);
      if (cell === undefined) return [];
      const figures = figuresOf(cell, results.budget);
      return [
        [
          subject,
          strategy,
          figures.found === 0 ? '-' : `${schedulesText(figures.mean)} ± ${schedulesText(figures.sd)}`,
          `${figures.found}/${figures.trials}`,
          figures.median === undefined ? `> ${formatCount(results.budget)}` : schedulesText(figures.median),
          schedulesText(figures.restrictedMean),
          schedulesText(figures.geomean),
          worseThanBest(results, cell) ? '*' : '',
          Object.entries(cell.by)
            .map(([id, count]) => `${id} ${count}`)
            .join(', '),
        ],
      ];
    }),
  );
  return {
    title: 'In detail',
    head: ['', 'strategy', 'mean ± sd', 'found', 'median', 'restricted mean', 'geomean', 'worse', 'by'],
    rows,
    notes: [
      'mean ± sd of schedules over the trials that found it; median by Kaplan-Meier; restricted mean and geomean with misses at the budget',
    ],
  };
}
