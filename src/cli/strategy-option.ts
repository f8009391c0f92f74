/** The option that chooses a strategy, for explore and replay. */
import { STRATEGIES } from '../explore/strategies/index.ts';

export const DEFAULT_STRATEGY = 'random-walk';

export const STRATEGY_OPTION = {
  strategy: {
    type: 'string',
    default: DEFAULT_STRATEGY,
    requiresArg: true,
    group: 'Run:',
    describe: `how schedules are chosen: ${STRATEGIES.map(({ name, option }) => (option === undefined ? name : `${name}[:N]`)).join(', ')}`,
  },
} as const;
