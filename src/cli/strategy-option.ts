/** The option that chooses a strategy, for the commands that run one schedule and for those that search. */
import { SEARCHES, STRATEGIES, type ChosenStrategy } from '../explore/strategies/index.ts';
import { loadStrategy } from '../campaign/strategies.ts';
import type { Strategy } from '../explore/strategy.ts';
import { UsageError } from './usage.ts';

/** Of `replay` and `shrink`, whose schedules are named by a concrete strategy. */
export const DEFAULT_STRATEGY = 'random-walk';
/** Of `explore`. */
export const DEFAULT_SEARCH = 'portfolio';

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
    default: DEFAULT_SEARCH,
    requiresArg: true,
    group: 'Run:',
    describe: `how schedules are chosen: ${names(SEARCHES)}, or the path of a file`,
  },
} as const;

/** The argument that names what made a schedule to `replay` and `shrink`, unless it is the default. */
export const replayArgument = (strategy: string): string[] =>
  strategy === DEFAULT_STRATEGY ? [] : [`--strategy ${strategy}`];

/** The same for `explore`. */
export const searchArgument = (strategy: string): string[] =>
  strategy === DEFAULT_SEARCH ? [] : [`--strategy ${strategy}`];

/** What made a single schedule: a strategy that has schedules of its own. @throws UsageError for a portfolio */
export async function loadSingle(text: string): Promise<ChosenStrategy> {
  const chosen = await loadStrategy(text);
  if (chosen.strategy.arms === undefined) return chosen;
  throw new UsageError(
    `--strategy: ${chosen.strategy.name} has no schedules of its own; explore prints which strategy made a schedule`,
  );
}
