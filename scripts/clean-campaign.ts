/**
 * The clean engine under many schedules: nothing may be reported.
 *
 *     node --import tsx scripts/clean-campaign.ts [--schedules 10000000] [--variants p0,p1,p2] [--scenarios a,b]
 *         [--processes 2] [--part-seconds 40] [--seed clean-1] [--state campaign.jsonl] [--table]
 *
 * All scenarios and profiles get the same processor time, in parts of some seconds, each scenario in a process of its own;
 * cheap scenarios get more schedules that way. Every part that is done is a line of the state file: run the same command again and
 * it goes on where it stopped. `--table` prints what the file holds and runs nothing. The table (Markdown) goes to standard
 * output, progress to standard error. Exit status: 0 clean, 1 something was reported, 2 bad arguments, 3 a part failed,
 * 130 interrupted.
 */
import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { shippedScenarios } from '../src/scenario/load.ts';
import { findVariant } from '../src/variants/index.ts';
import { appendPart, campaignTable, readParts, type Part, type PartOrder } from './campaign-state.ts';

function fail(message: string): never {
  process.stderr.write(`clean-campaign: ${message}\n`);
  process.exit(2);
}

function options() {
  try {
    return parseArgs({
      options: {
        schedules: { type: 'string', default: '1000000' },
        variants: { type: 'string', default: 'p0,p1,p2' },
        scenarios: { type: 'string', default: shippedScenarios().join(',') },
        processes: { type: 'string', default: String(availableParallelism()) },
        'part-seconds': { type: 'string', default: '40' },
        seed: { type: 'string', default: 'clean-1' },
        state: { type: 'string', default: 'campaign.jsonl' },
        table: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return fail((error as Error).message);
  }
}

const values = options();
const number = (name: 'schedules' | 'processes' | 'part-seconds'): number => {
  const value = Number(values[name]);
  if (!(value >= 1)) fail(`--${name}: ${values[name]} given, allowed are numbers from 1 on`);
  return value;
};
const total = number('schedules');
const processes = number('processes');
const cpuMs = number('part-seconds') * 1000;
const variants = values.variants.split(',');
const scenarios = values.scenarios.split(',');
for (const name of variants) if (findVariant(name) === undefined) fail(`there is no variant ${name}`);
for (const name of scenarios) if (!shippedScenarios().includes(name)) fail(`there is no scenario ${name}`);

function revision(): string {
  try {
    const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
    return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain', '-uno') === '' ? '' : '+'}`;
  } catch {
    return 'unknown';
  }
}

const parts = readParts(values.state).filter(
  (part) => part.seed === values.seed && variants.includes(part.variant) && scenarios.includes(part.scenario),
);
const jobs = scenarios.map((scenario) => {
  const done = parts.filter((part) => part.scenario === scenario);
  return {
    scenario,
    next: new Map(
      variants.map((variant) => {
        const own = done.filter((part) => part.variant === variant);
        return [variant, own.reduce((next, part) => Math.max(next, part.from + part.schedules), 0)];
      }),
    ),
    cpuMs: done.reduce((sum, part) => sum + part.cpuMs, 0),
    running: false,
    /** It ended badly, or fails again and again and would say the same for hours. */
    over: done.some((part) => part.violations.length >= 20),
  };
});
const isDone = (): number => parts.reduce((sum, part) => sum + part.schedules, 0);
const code = revision();
const children = new Set<ChildProcess>();
const state = { interrupted: false, failed: false };

/** Runs the parts one after another in a process; false if one of them did not come to its end. */
function run(orders: readonly PartOrder[], onPart: (part: Part) => void): Promise<boolean> {
  return new Promise((resolve) => {
    let came = 0;
    const child = fork(
      fileURLToPath(new URL('campaign-part.ts', import.meta.url)),
      [JSON.stringify(orders)],
      {
        execArgv: [...process.execArgv, '--max-semi-space-size=32'],
      },
    );
    children.add(child);
    child.on('message', (message) => {
      came++;
      onPart(message as Part);
    });
    child.on('close', (status, signal) => {
      children.delete(child);
      if (came < orders.length && !state.interrupted) {
        const order = orders[came]!;
        process.stderr.write(
          `${order.variant} ${order.scenario} from ${order.from}: the part ended with ${signal ?? `status ${status}`}\n`,
        );
      }
      resolve(came === orders.length);
    });
  });
}

const began = performance.now();
const already = isDone();

function take(part: Part): void {
  if (part.schedules === 0) return;
  const recorded = { ...part, revision: code, finished: new Date().toISOString() };
  appendPart(values.state, recorded);
  parts.push(recorded);
  const seconds = (performance.now() - began) / 1000;
  const done = isDone();
  const left = ((total - done) / (done - already)) * seconds;
  process.stderr.write(
    `${((done / total) * 100).toFixed(1).padStart(5)} %  ${done} of ${total}, ${Math.round(seconds)} s, ${Math.round(left)} s left  ` +
      `${part.variant} ${part.scenario}: ${part.schedules} schedules, ${Math.round((part.schedules / part.cpuMs) * 1000)}/s, ${part.violations.length} violations\n`,
  );
  for (const violation of part.violations.slice(0, 3))
    process.stderr.write(
      `  ${violation.id}: ${violation.text}\n  npx splitstorm replay ${violation.token}\n`,
    );
}

const worker = async (): Promise<void> => {
  while (!state.interrupted && isDone() < total) {
    const job = jobs
      .filter((one) => !one.running && !one.over)
      .reduce<(typeof jobs)[number] | undefined>(
        (least, one) => (least === undefined || one.cpuMs < least.cpuMs ? one : least),
        undefined,
      );
    if (job === undefined) return;
    job.running = true;
    const { scenario } = job;
    const orders = variants.map((variant): PartOrder => ({
      variant,
      scenario,
      seed: values.seed,
      from: job.next.get(variant)!,
      schedules: total - isDone(),
      cpuMs,
    }));
    const whole = await run(orders, (part) => {
      take(part);
      job.next.set(part.variant, part.from + part.schedules);
      job.cpuMs += part.cpuMs;
      job.over ||= part.violations.length >= 20;
    });
    if (!whole && !state.interrupted) state.failed = job.over = true;
    job.running = false;
  }
};

if (!values.table) {
  process.on('SIGINT', () => {
    if (state.interrupted) process.exit(130);
    state.interrupted = true;
    for (const child of children) child.send('stop');
  });
  await Promise.all(Array.from({ length: processes }, worker));
}
process.stdout.write(campaignTable(parts, variants));
const broken = parts.some((part) => part.violations.length > 0 || part.truncated > 0 || part.diverged > 0);
process.exitCode = state.interrupted ? 130 : state.failed ? 3 : broken ? 1 : 0;
