/** The options of the scoreboard, checked. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { parseStrategy, StrategyError, strategyText } from '../../src/explore/strategies/index.ts';
import { BLOCKS, ENTRIES } from './subjects.ts';

/** An option is not allowed; the message says what is. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE = `Usage: npm run scoreboard -- [options]

  --kernels LIST     blocks or names: ${BLOCKS.join(', ')}, all, reorder_10, ... (default all)
  --strategies LIST  surw, pct:10, ... (default: all that are compared)
  --trials N         trials of each strategy on each kernel, 1 to 1000 (default 20)
  --budget N         schedules of a trial, profile runs included, 1 to 1000000 (default 10000)
  --seed TEXT        master seed (default 1)
  --workers N        threads; the results do not depend on it (default one per core)
  --details          a row for each kernel and strategy: mean, median, restricted mean
  --markdown         print Markdown
  --json FILE        write the results, for --compare and --show; - is standard output, alone
  --compare FILE     exit with status 1 if a kernel is found later than in these results
  --show FILE        print stored results instead of measuring; may be given several times
  --quiet            no progress`;

/** What is compared unless something else is asked for. */
export const DEFAULT_STRATEGIES = [
  'portfolio',
  'surw',
  'urw',
  'pos',
  'pct',
  'pct:10',
  'pb',
  'delay',
  'sticky',
  'random-walk',
];

export interface Options {
  readonly subjects: readonly string[];
  readonly strategies: readonly string[];
  readonly trials: number;
  readonly budget: number;
  readonly seed: string;
  readonly workers: number;
  readonly details: boolean;
  readonly markdown: boolean;
  readonly quiet: boolean;
  readonly json: string | undefined;
  readonly compare: string | undefined;
  readonly show: readonly string[];
  readonly help: boolean;
}

function count(text: string, option: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new UsageError(
      `--${option}: ${JSON.stringify(text)} given, allowed is a whole number from ${min} to ${max}`,
    );
  return value;
}

function subjectsOf(text: string): string[] {
  const asked = text.split(',').map((part) => part.trim());
  for (const part of asked) {
    if (part !== 'all' && !ENTRIES.some(({ name, block }) => name === part || block === part)) {
      const all = [...BLOCKS, 'all', ...ENTRIES.map(({ name }) => name)];
      throw new UsageError(`--kernels: ${JSON.stringify(part)} given, allowed is one of ${all.join(', ')}`);
    }
  }
  return ENTRIES.filter(
    ({ name, block }) => asked.includes('all') || asked.includes(name) || asked.includes(block),
  ).map(({ name }) => name);
}

function strategiesOf(text: string): string[] {
  try {
    return [...new Set(text.split(',').map((part) => strategyText(parseStrategy(part.trim()))))];
  } catch (error) {
    if (error instanceof StrategyError) throw new UsageError(`--strategies: ${error.message}`);
    throw error;
  }
}

/** @throws UsageError */
export function parseOptions(args: readonly string[]): Options {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        kernels: { type: 'string', default: 'all' },
        strategies: { type: 'string', default: DEFAULT_STRATEGIES.join(',') },
        trials: { type: 'string', default: '20' },
        budget: { type: 'string', default: '10000' },
        seed: { type: 'string', default: '1' },
        workers: { type: 'string', default: String(availableParallelism()) },
        details: { type: 'boolean', default: false },
        markdown: { type: 'boolean', default: false },
        quiet: { type: 'boolean', default: false },
        json: { type: 'string' },
        compare: { type: 'string' },
        show: { type: 'string', multiple: true, default: [] },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    // parseArgs explains at length how to quote; its first sentence says what is wrong.
    throw new UsageError(error instanceof Error ? error.message.split(/\.\s/)[0]! : String(error));
  }
  return {
    ...values,
    subjects: subjectsOf(values.kernels),
    strategies: strategiesOf(values.strategies),
    trials: count(values.trials, 'trials', 1, 1000),
    budget: count(values.budget, 'budget', 1, 1_000_000),
    workers: count(values.workers, 'workers', 1, 256),
    json: values.json,
    compare: values.compare,
  };
}
