/** What the scoreboard has to show, and whether it does. */
import { geomeanOf, bestOf, blockGeomean, difference } from './figures.ts';
import type { Grid } from './grid.ts';
import { cellOf, names, type Results } from './results.ts';
import { measuredIn, schedulesText } from './tables.ts';
import { ENTRIES, type Block } from './subjects.ts';

export interface Target {
  readonly what: string;
  readonly value: string;
  readonly target: string;
  readonly met: boolean;
  /** More to say, below the table. */
  readonly note?: string;
}

/** Most schedules, as a geometric mean, of the kernels with at most 20 threads. */
const MAX_GEOMEAN = 20;
/** How much better than these on the many-thread block. */
const AHEAD_OF: readonly (readonly [strategy: string, factor: number])[] = [
  ['pos', 5],
  ['random-walk', 25],
];
/** The portfolio's geometric mean over that of the best strategy, on every kernel. */
const MAX_BEHIND = 2;
/** The bugs that each trial has to find. */
const PLANTED = [
  'never-flush-on-reuse',
  'no-restart-after-eagain',
  'child-role-ignores-access',
  'skip-wrprot-if-not-writable',
  'link-before-fill',
  'busted-lock',
];
const OURS = ['surw', 'portfolio'];

/** The better of SURW and the portfolio over some subjects. */
function ourBest(
  results: Results,
  subjects: readonly string[],
): { strategy: string; value: number } | undefined {
  const values = OURS.flatMap((strategy) => {
    const value = blockGeomean(results, subjects, strategy);
    return value === undefined ? [] : [{ strategy, value }];
  });
  return values.sort((a, b) => a.value - b.value)[0];
}

/** Targets for which everything was measured. */
export function targetsOf(results: Results): Target[] {
  const of = (...blocks: Block[]): string[] => blocks.flatMap((block) => measuredIn(results, block));
  const whole = (block: Block): boolean =>
    of(block).length === ENTRIES.filter((entry) => entry.block === block).length;
  const targets: Target[] = [];
  const few = ourBest(results, of('small', 'many'));
  if (few !== undefined && whole('small') && whole('many')) {
    targets.push({
      what: `kernels of at most 20 threads, geometric mean of ${few.strategy}`,
      value: schedulesText(few.value),
      target: `<= ${MAX_GEOMEAN}`,
      met: few.value <= MAX_GEOMEAN,
    });
  }
  const many = ourBest(results, of('many'));
  for (const [strategy, factor] of AHEAD_OF) {
    const other = blockGeomean(results, of('many'), strategy);
    if (many === undefined || other === undefined || !whole('many')) continue;
    targets.push({
      what: `many threads, ${strategy} / ${many.strategy}`,
      value: `${(other / many.value).toFixed(1)}x`,
      target: `>= ${factor}x`,
      met: other / many.value >= factor,
    });
  }
  const behind = portfolioBehind(results, of('small', 'many', 'hundred'));
  if (behind !== undefined) targets.push(behind);
  for (const bug of PLANTED) {
    const cells = names(results, 'strategy').flatMap((strategy) => cellOf(results, bug, strategy) ?? []);
    if (cells.length === 0) continue;
    const always = cells.filter((cell) => cell.schedules.every((schedules) => schedules !== null));
    targets.push({
      what: `${bug}, strategies that find it in each of ${results.trials} trials`,
      value: `${always.length} of ${cells.length}`,
      target: OURS.every((name) => cellOf(results, bug, name) === undefined)
        ? '>= 1'
        : `>= 1 of ${OURS.join(', ')}`,
      met: always.some(
        (cell) =>
          OURS.includes(cell.strategy) || OURS.every((name) => cellOf(results, bug, name) === undefined),
      ),
    });
  }
  return targets;
}

function portfolioBehind(results: Results, subjects: readonly string[]): Target | undefined {
  const others = names(results, 'strategy').filter((name) => name !== 'portfolio');
  const ratios = subjects.flatMap((subject) => {
    const own = cellOf(results, subject, 'portfolio');
    const best = bestOf(results, subject, others);
    if (own === undefined || best === undefined) return [];
    const ratio = geomeanOf(own, results.budget) / geomeanOf(best, results.budget);
    return [{ subject, ratio, best: best.strategy, p: difference(own, best, results.budget) }];
  });
  if (ratios.length === 0) return undefined;
  const over = ratios.filter(({ ratio }) => ratio > MAX_BEHIND);
  const worst = ratios.reduce((a, b) => (b.ratio > a.ratio ? b : a));
  return {
    what: `portfolio / best strategy, worst of ${ratios.length} kernels`,
    value: `${worst.ratio.toFixed(2)}x (${worst.subject}, ${worst.best})`,
    target: `<= ${MAX_BEHIND}x`,
    met: over.length === 0,
    note: over
      .map(({ subject, ratio, best, p }) => `${subject} ${ratio.toFixed(2)}x ${best}, p ${p.toFixed(3)}`)
      .join('; '),
  };
}

export function targetGrid(results: Results): Grid {
  const targets = targetsOf(results);
  return {
    title: 'Targets',
    head: ['', 'value', 'target', ''],
    rows: targets.map(({ what, value, target, met }) => [what, value, target, met ? 'met' : 'MISSED']),
    notes: targets.flatMap(({ what, note }) =>
      note === undefined || note === '' ? [] : [`${what}: ${note}`],
    ),
  };
}
