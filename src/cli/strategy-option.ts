/** The option that chooses a strategy, for the commands that run one schedule and for those that search. */
import { SEARCHES, strategyText, STRATEGIES, type ChosenStrategy } from '../explore/strategies/index.ts';
import type { Strategy } from '../explore/strategy.ts';
import { UsageError } from './usage.ts';

/** Of `replay` and `shrink`, whose schedules are named by a concrete strategy. */
export const DEFAULT_STRATEGY = 'random-walk';

const names = (strategies: readonly Strategy[]): string =>
  strategies.map(({ name, option }) => (option === undefined ? name : `${name}[:N]`)).join(', ');

export const STRATEGY_OPTION = {
  strategy: {
    type: 'string',
    default: DEFAULT_STRATEGY,
    requiresArg: true,
    group: 'Run:',
    describe: `what made the schedule: ${names(STRATEGIES)}`,
  },
} as const;

export const SEARCH_OPTION = {
  strategy: {
    type: 'string',
    default: DEFAULT_STRATEGY,
    requiresArg: true,
    group: 'Run:',
    describe: `how schedules are chosen: ${names(SEARCHES)}`,
  },
} as const;

/** The argument that names a strategy in a command, unless it is the default. */
export const strategyArgument = (chosen: ChosenStrategy): string[] =>
  strategyText(chosen) === DEFAULT_STRATEGY ? [] : [`--strategy ${strategyText(chosen)}`];

/** A single schedule needs a strategy that has schedules of its own. @throws UsageError for a portfolio */
export function refusePortfolio(chosen: ChosenStrategy): ChosenStrategy {
  if (chosen.strategy.arms === undefined) return chosen;
  throw new UsageError(
    `--strategy: ${chosen.strategy.name} has no schedules of its own; explore prints which strategy made a schedule`,
  );
}
