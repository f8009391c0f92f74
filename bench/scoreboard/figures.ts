/** What a table says about a cell, and how cells compare. */
import {
  geometricMean,
  kaplanMeier,
  logRank,
  meanAndDeviation,
  medianTime,
  restrictedMean,
} from '../../src/measure/survival.ts';
import { cellOf, names, observations, type Cell, type Results } from './results.ts';

export interface Figures {
  readonly trials: number;
  readonly found: number;
  /** Over the trials that found it; NaN if none did. */
  readonly mean: number;
  readonly sd: number;
  /** Kaplan-Meier; undefined if at most half found it. */
  readonly median: number | undefined;
  /** Mean of schedules, at most the budget. */
  readonly restrictedMean: number;
  /** With misses at the budget. */
  readonly geomean: number;
}

export function figuresOf(cell: Cell, budget: number): Figures {
  const hits = cell.schedules.filter((schedules) => schedules !== null);
  const curve = kaplanMeier(observations(cell, budget));
  return {
    trials: cell.schedules.length,
    found: hits.length,
    ...meanAndDeviation(hits),
    median: medianTime(curve),
    restrictedMean: restrictedMean(curve, budget),
    geomean: geomeanOf(cell, budget),
  };
}

/** Geometric mean of schedules to the bug, with misses at the budget. */
export const geomeanOf = (cell: Cell, budget: number): number =>
  geometricMean(cell.schedules.map((schedules) => schedules ?? budget));

/** The strategy with the lowest geometric mean on a subject. */
export function bestOf(results: Results, subject: string, among: readonly string[]): Cell | undefined {
  const cells = among.flatMap((strategy) => cellOf(results, subject, strategy) ?? []);
  const value = (cell: Cell): number => geomeanOf(cell, results.budget);
  return cells.reduce<Cell | undefined>(
    (best, cell) => (best === undefined || value(cell) < value(best) ? cell : best),
    undefined,
  );
}

/** p of the log-rank test between two cells. */
export const difference = (a: Cell, b: Cell, budget: number): number =>
  logRank({ a: observations(a, budget), b: observations(b, budget) }).p;

/** Worse than the best strategy of its row, with p < 0.05. */
export function worseThanBest(results: Results, cell: Cell): boolean {
  const best = bestOf(results, cell.subject, names(results, 'strategy'));
  return best !== undefined && best !== cell && difference(cell, best, results.budget) < 0.05;
}

/** The geometric mean of the geometric means of a strategy's rows; undefined if one is missing. */
export function blockGeomean(
  results: Results,
  subjects: readonly string[],
  strategy: string,
): number | undefined {
  const cells = subjects.map((subject) => cellOf(results, subject, strategy));
  if (subjects.length === 0 || cells.some((cell) => cell === undefined)) return undefined;
  return geometricMean(cells.map((cell) => geomeanOf(cell!, results.budget)));
}
