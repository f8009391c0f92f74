/**
 * The gate: is any kernel found later than in a stored baseline? Schedules to a bug do not depend on the machine, so results of
 * different machines compare; with the same code and seed they are equal.
 *
 * A subject is worse if its geometric mean over the strategies both have measured is more than MAX_RATIO times the baseline's and
 * the log-rank test over them as strata says p < LEVEL. A single strategy on a subject is worse by the same ratio if that still
 * holds after Holm's correction for the number of pairs looked at.
 */
import { geometricMean, holm, logRank } from '../../src/measure/survival.ts';
import { geomeanOf } from './figures.ts';
import type { Grid } from './grid.ts';
import { cellOf, names, observations, ResultsError, type Cell, type Results } from './results.ts';
import { schedulesText } from './tables.ts';

const MAX_RATIO = 1.5;
const LEVEL = 0.01;

export interface Comparison {
  readonly subject: string;
  /** Absent for the subject as a whole. */
  readonly strategy?: string;
  readonly before: number;
  readonly now: number;
  readonly p: number;
  readonly worse: boolean;
}

interface Both {
  readonly before: Cell;
  readonly now: Cell;
}

/** Every subject, and every strategy on it, that both have; @throws ResultsError if they cannot be compared */
export function compare(baseline: Results, results: Results): Comparison[] {
  if (baseline.budget !== results.budget) {
    throw new ResultsError(
      `the baseline has a budget of ${baseline.budget} schedules, this run ${results.budget}: misses do not compare`,
    );
  }
  const { budget } = results;
  const pairsOf = (subject: string): Both[] =>
    names(results, 'strategy').flatMap((strategy) => {
      const [before, now] = [cellOf(baseline, subject, strategy), cellOf(results, subject, strategy)];
      return before === undefined || now === undefined ? [] : [{ before, now }];
    });
  const bySubject = names(results, 'subject')
    .map((subject) => ({ subject, pairs: pairsOf(subject) }))
    .filter(({ pairs }) => pairs.length > 0);
  if (bySubject.length === 0) throw new ResultsError('the baseline has no kernel and strategy of this run');

  const test = (pairs: readonly Both[]): number =>
    logRank(
      ...pairs.map(({ before, now }) => ({ a: observations(now, budget), b: observations(before, budget) })),
    ).p;
  const mean = (pairs: readonly Both[], which: 'before' | 'now'): number =>
    geometricMean(pairs.map((pair) => geomeanOf(pair[which], budget)));

  const subjects = bySubject.map(({ subject, pairs }): Comparison => {
    const [before, now, p] = [mean(pairs, 'before'), mean(pairs, 'now'), test(pairs)];
    return { subject, before, now, p, worse: now / before > MAX_RATIO && p < LEVEL };
  });
  const single = bySubject.flatMap(({ subject, pairs }) => pairs.map((pair) => ({ subject, pair })));
  const ps = single.map(({ pair }) => test([pair]));
  const holds = holm(ps, LEVEL);
  const strategies = single.map(({ subject, pair }, index): Comparison => {
    const [before, now] = [geomeanOf(pair.before, budget), geomeanOf(pair.now, budget)];
    const worse = now / before > MAX_RATIO && holds[index]!;
    return { subject, strategy: pair.now.strategy, before, now, p: ps[index]!, worse };
  });
  return [...subjects, ...strategies];
}

/** The subjects, and whatever is worse. */
export function comparisonGrid(comparisons: readonly Comparison[], baseline: string): Grid {
  return {
    title: `Against ${baseline}`,
    head: ['', 'strategy', 'before', 'now', 'ratio', 'p', ''],
    rows: comparisons
      .filter(({ strategy, worse }) => strategy === undefined || worse)
      .map(({ subject, strategy, before, now, p, worse }) => [
        subject,
        strategy ?? 'all',
        schedulesText(before),
        schedulesText(now),
        `${(now / before).toFixed(2)}x`,
        p.toFixed(3),
        worse ? 'WORSE' : '',
      ]),
    notes: [
      `worse: more than ${MAX_RATIO}x with p < ${LEVEL} (log-rank over the strategies; of one strategy, after Holm's correction)`,
    ],
  };
}
