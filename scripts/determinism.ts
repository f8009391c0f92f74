/**
 * Are runs a function of their seed? Schedules over all scenarios and strategies, each run twice; the first operation that differs
 * is named.
 *
 *     node --import tsx scripts/determinism.ts [--schedules 1000000] [--seed 1] [--workers N] [--scenarios a,b] [--strategies a,b]
 *
 * It begins with a scenario that reads the clock: if that is not caught, the rest proves nothing. Exit status 1 if two runs of
 * a schedule differ, 2 for wrong usage, 3 if the clock went unnoticed.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { parseStrategy, STRATEGIES, StrategyError } from '../src/explore/strategies/index.ts';
import { ProgressWriter } from '../src/report/progress.ts';
import { formatCount } from '../src/report/text.ts';
import { shippedScenarios } from '../src/scenario/load.ts';
import type { TwiceReply, TwiceTask } from './determinism/task.ts';

const CLOCK = fileURLToPath(new URL('../test/fixtures/scenarios/actor-reads-clock.mjs', import.meta.url));
/** Schedules of the scenario that reads the clock; between the two runs of one of them it ticks. */
const CLOCK_SCHEDULES = 2000;
/** Schedules of one task: profile runs are made anew for each. */
const PER_TASK = 2000;

function refuse(text: string): never {
  process.stderr.write(`determinism: ${text}\n`);
  process.exit(2);
}

function count(name: string, text: string, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 1 && value <= max))
    refuse(`--${name}: ${JSON.stringify(text)} given, allowed is a whole number from 1 to ${max}`);
  return value;
}

const unique = (name: string, at: number, all: readonly string[]): boolean => all.indexOf(name) === at;

function options() {
  try {
    return parseArgs({
      options: {
        schedules: { type: 'string', default: '1000000' },
        seed: { type: 'string', default: '1' },
        workers: { type: 'string', default: String(availableParallelism()) },
        scenarios: { type: 'string', default: shippedScenarios().join(',') },
        strategies: {
          type: 'string',
          default: [...STRATEGIES.map(({ name }) => name), 'portfolio'].filter(unique).join(','),
        },
        quiet: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return refuse(error instanceof Error ? error.message.split(/\.\s/)[0]! : String(error));
  }
}

const values = options();
const schedules = count('schedules', values.schedules, 2 ** 31 - 1);
const workers = count('workers', values.workers, 256);
const scenarios = values.scenarios.split(',');
for (const name of scenarios) {
  if (!shippedScenarios().includes(name))
    refuse(`--scenarios: ${JSON.stringify(name)} given, allowed is one of ${shippedScenarios().join(', ')}`);
}
const strategies = values.strategies.split(',');
try {
  for (const name of strategies) parseStrategy(name);
} catch (error) {
  if (!(error instanceof StrategyError)) throw error;
  refuse(`--strategies: ${error.message}`);
}

const pool = new Piscina({
  filename: new URL('./determinism/worker-boot.js', import.meta.url).href,
  minThreads: workers,
  maxThreads: workers,
});
const run = (task: TwiceTask): Promise<TwiceReply> => pool.run(task) as Promise<TwiceReply>;

const began = performance.now();
const canary = await run({
  scenario: CLOCK,
  strategy: 'random-walk',
  seed: values.seed,
  from: 0,
  schedules: CLOCK_SCHEDULES,
});
if (canary.diverged === 0) {
  process.stderr.write('determinism: a scenario that reads the clock was not caught: this proves nothing\n');
  process.exit(3);
}
process.stdout.write(`the clock is caught: ${canary.differences[0]}\n`);

const each = Math.ceil(schedules / (scenarios.length * strategies.length));
const tasks: TwiceTask[] = scenarios.flatMap((scenario) =>
  strategies.flatMap((strategy) =>
    Array.from({ length: Math.ceil(each / PER_TASK) }, (_, part) => ({
      scenario,
      strategy,
      seed: values.seed,
      from: part * PER_TASK,
      schedules: Math.min(PER_TASK, each - part * PER_TASK),
    })),
  ),
);
const progress = new ProgressWriter({
  stream: process.stderr,
  quiet: values.quiet,
  now: () => performance.now(),
});
const replies: TwiceReply[] = [];
let next = 0;
let done = 0;
const feed = async (): Promise<void> => {
  while (next < tasks.length) {
    const index = next++;
    const task = tasks[index]!;
    const reply = await run(task);
    replies[index] = reply;
    done += reply.schedules;
    const elapsedMs = performance.now() - began;
    const total = each * scenarios.length * strategies.length;
    progress.update({
      label: `twice ${task.scenario} ${task.strategy}`,
      elapsedMs,
      fraction: done / total,
      remainingMs: (elapsedMs / done) * (total - done),
      figures: [['schedules', done]],
      violations: replies.reduce((sum, { diverged }) => sum + diverged, 0),
    });
  }
};
await Promise.all(Array.from({ length: workers }, feed));
progress.clear();
await pool.destroy();

const lines = ['| scenario | schedules, twice | visible operations | different |', '|---|---:|---:|---:|'];
const sum = (list: readonly TwiceReply[], field: 'schedules' | 'steps' | 'diverged'): number =>
  list.reduce((total, reply) => total + reply[field], 0);
const row = (name: string, list: readonly TwiceReply[]): string =>
  `| ${name} | ${formatCount(sum(list, 'schedules'))} | ${formatCount(sum(list, 'steps'))} | ${sum(list, 'diverged')} |`;
for (const scenario of scenarios)
  lines.push(
    row(
      scenario,
      replies.filter((_, index) => tasks[index]!.scenario === scenario),
    ),
  );
lines.push(row('all', replies));
const differences = replies.flatMap((reply, index) =>
  reply.differences.map((text) => `${tasks[index]!.scenario}, ${tasks[index]!.strategy}, ${text}`),
);
process.stdout.write(
  `${lines.join('\n')}\n\n${strategies.length} strategies, seed ${values.seed}, ` +
    `${Math.round((performance.now() - began) / 1000)} s on ${workers} threads, Node ${process.version}\n`,
);
for (const difference of differences.slice(0, 20)) process.stdout.write(`${difference}\n`);
process.exitCode = sum(replies, 'diverged') > 0 ? 1 : 0;
