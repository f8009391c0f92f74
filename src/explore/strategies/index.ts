/** The strategies by name, and how a name with an option is read. */
import type { Strategy } from '../strategy.ts';
import delayBounded from './delay-bounded.ts';
import fairPct from './fair-pct.ts';
import pct from './pct.ts';
import portfolio from './portfolio.ts';
import pos from './pos.ts';
import preemptionBounded from './preemption-bounded.ts';
import randomWalk from './random-walk.ts';
import stickyRandomWalk from './sticky-random-walk.ts';
import surw from './surw.ts';
import urw from './urw.ts';

/** In the order of their numbers in tokens: append only. */
export const STRATEGIES: readonly Strategy[] = [
  randomWalk,
  stickyRandomWalk,
  pct,
  fairPct,
  pos,
  urw,
  surw,
  preemptionBounded,
  delayBounded,
];

/** All that can be asked for: a portfolio has no number, because a token names the strategy that it dealt to. */
export const SEARCHES: readonly Strategy[] = [portfolio, ...STRATEGIES];

/** A strategy with its option. */
export interface ChosenStrategy {
  readonly strategy: Strategy;
  readonly option: number;
}

/** `pct:5`, or the bare name where the option is the default. */
export function strategyText({ strategy, option }: ChosenStrategy): string {
  return strategy.option === undefined || option === strategy.option.default
    ? strategy.name
    : `${strategy.name}:${option}`;
}

/** A strategy's name or option is not allowed; the message says what is. */
export class StrategyError extends Error {
  override readonly name = 'StrategyError';
}

/**
 * Reads `surw`, `pct:5`, `sticky:0.95`.
 * @throws StrategyError
 */
export function parseStrategy(text: string): ChosenStrategy {
  const [name, given, ...rest] = text.split(':');
  const strategy = SEARCHES.find((candidate) => candidate.name === name);
  if (strategy === undefined || rest.length > 0) {
    const names = SEARCHES.map((one) =>
      one.option === undefined ? one.name : `${one.name}[:${one.option.describe}]`,
    );
    throw new StrategyError(`strategy: ${JSON.stringify(text)} given, allowed is one of ${names.join(', ')}`);
  }
  return withNumber(strategy, given);
}

/**
 * A strategy with the number that was given for it, if any.
 * @throws StrategyError if it takes none, or not this one
 */
export function withNumber(strategy: Strategy, given: string | undefined): ChosenStrategy {
  const { option } = strategy;
  if (given === undefined) return { strategy, option: option?.default ?? 0 };
  if (option === undefined)
    throw new StrategyError(`strategy: ${strategy.name} takes no number, ${JSON.stringify(given)} given`);
  const value = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN;
  if (!(value >= option.min && value <= option.max) || (option.integer && !Number.isInteger(value))) {
    throw new StrategyError(
      `strategy: ${strategy.name}:${given} given, allowed is ${strategy.name}:N with ${option.describe} from ${option.min} to ${option.max}`,
    );
  }
  return { strategy, option: value };
}
