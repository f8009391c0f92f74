/**
 * Times to an event of which some were not waited for to the end: schedules to a bug under a budget.
 *
 * A mean over the trials that succeeded says little when others did not, so curves are estimated after Kaplan and Meier
 * (J. Am. Stat. Assoc. 53, 1958) and compared by the log-rank test (Mantel, Cancer Chemother. Rep. 50, 1966).
 */
import { erfc } from './erfc.ts';

/** One trial: the event came at `time`, or had not come by then. Times are positive. */
export interface Observation {
  readonly time: number;
  readonly event: boolean;
}

/** A time at which events happened, and the share of trials that is without one after it. */
export interface CurveStep {
  readonly time: number;
  readonly atRisk: number;
  readonly events: number;
  readonly survival: number;
}

const byTime = (a: number, b: number): number => a - b;

/** Times at which at least one event happened, in increasing order. */
const eventTimes = (observations: readonly Observation[]): number[] =>
  [...new Set(observations.filter(({ event }) => event).map(({ time }) => time))].sort(byTime);

const atRisk = (observations: readonly Observation[], at: number): number =>
  observations.reduce((count, { time }) => count + (time >= at ? 1 : 0), 0);

const eventsAt = (observations: readonly Observation[], at: number): number =>
  observations.reduce((count, { time, event }) => count + (event && time === at ? 1 : 0), 0);

/** The Kaplan-Meier estimate: a trial that ended without the event at time t counts as at risk at t. */
export function kaplanMeier(observations: readonly Observation[]): CurveStep[] {
  let survival = 1;
  return eventTimes(observations).map((time) => {
    const risk = atRisk(observations, time);
    const events = eventsAt(observations, time);
    survival *= 1 - events / risk;
    return { time, atRisk: risk, events, survival };
  });
}

/** Rounding must not decide whether a product of fractions is a half. */
const EPSILON = 1e-9;

/** The first time after which at most half are without the event; undefined if more than half never had it. */
export function medianTime(curve: readonly CurveStep[]): number | undefined {
  return curve.find(({ survival }) => survival <= 0.5 + EPSILON)?.time;
}

/** The mean of min(time, limit): the area under the curve up to the limit. */
export function restrictedMean(curve: readonly CurveStep[], limit: number): number {
  let area = 0;
  let from = 0;
  let survival = 1;
  for (const step of curve) {
    if (step.time >= limit) break;
    area += survival * (step.time - from);
    from = step.time;
    survival = step.survival;
  }
  return area + survival * (limit - from);
}

/** Two samples of one stratum. */
export interface Pair {
  readonly a: readonly Observation[];
  readonly b: readonly Observation[];
}

export interface LogRank {
  /** Events of `a`, and how many there would be if both samples had one distribution. */
  readonly observed: number;
  readonly expected: number;
  /** Chi squared with one degree of freedom. */
  readonly chiSquared: number;
  /** Probability of such a difference, in either direction, if there is none; 1 where nothing can be told. */
  readonly p: number;
}

/** The log-rank test of a against b, over one or more strata. `observed` below `expected`: a's events come later. */
export function logRank(...strata: readonly Pair[]): LogRank {
  let observed = 0;
  let expected = 0;
  let variance = 0;
  for (const { a, b } of strata) {
    for (const time of eventTimes([...a, ...b])) {
      const [riskA, riskB] = [atRisk(a, time), atRisk(b, time)];
      const [eventsA, eventsB] = [eventsAt(a, time), eventsAt(b, time)];
      const risk = riskA + riskB;
      const events = eventsA + eventsB;
      observed += eventsA;
      expected += (events * riskA) / risk;
      if (risk > 1) variance += (events * riskA * riskB * (risk - events)) / (risk * risk * (risk - 1));
    }
  }
  const difference = observed - expected;
  const chiSquared = variance > 0 ? (difference * difference) / variance : 0;
  return { observed, expected, chiSquared, p: erfc(Math.sqrt(chiSquared / 2)) };
}

/**
 * Which of many tests still say something, Holm (Scand. J. Stat. 6, 1979): the chance that any of them is wrong stays below
 * `level`. Returns for each p-value whether it does.
 */
export function holm(values: readonly number[], level: number): boolean[] {
  const order = values.map((_, index) => index).sort((x, y) => values[x]! - values[y]!);
  const rejected = values.map(() => false);
  for (const [rank, index] of order.entries()) {
    if (values[index]! > level / (values.length - rank)) break;
    rejected[index] = true;
  }
  return rejected;
}

/** The geometric mean of positive numbers; NaN of none. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Mean and standard deviation of a sample; the deviation of fewer than two is 0. */
export function meanAndDeviation(values: readonly number[]): { readonly mean: number; readonly sd: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)) };
}
