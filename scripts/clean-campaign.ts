/**
 * The clean engine under many schedules: nothing may be reported.
 *
 *     node --import tsx scripts/clean-campaign.ts [--schedules 10000000] [--variants p0,p1,p2] [--scenarios a,b]
 *         [--processes 2] [--part-seconds 40] [--seed clean-1] [--state campaign.jsonl] [--table]
 *
 * All scenarios and profiles get the same processor time, in parts of some seconds, each in a process of its own; cheap
 * scenarios get more schedules that way. Every part that is done is a line of the state file: run the same command again and
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
const jobs = variants.flatMap((variant) =>
  scenarios.map((scenario) => {
    const done = parts.filter((part) => part.variant === variant && part.scenario === scenario);
    return {
      variant,
      scenario,
      next: done.reduce((next, part) => Math.max(next, part.from + part.schedules), 0),
      cpuMs: done.reduce((sum, part) => sum + part.cpuMs, 0),
      running: false,
      /** A job that fails again and again would say the same for hours. */
      over: done.some((part) => part.violations.length >= 20),
    };
  }),
);
const isDone = (): number => parts.reduce((sum, part) => sum + part.schedules, 0);
const code = revision();
const children = new Set<ChildProcess>();
const state = { interrupted: false, failed: false };

function run(order: PartOrder): Promise<Part | undefined> {
  return new Promise((resolve) => {
    let part: Part | undefined;
    const child = fork(fileURLToPath(new URL('campaign-part.ts', import.meta.url)), [JSON.stringify(order)], {
      execArgv: [...process.execArgv, '--max-semi-space-size=32'],
      serialization: 'advanced',
    });
    children.add(child);
    child.on('message', (message) => {
      part = message as Part;
    });
    child.on('close', (status, signal) => {
      children.delete(child);
      if (part === undefined) {
        state.failed = !state.interrupted;
        process.stderr.write(
          `${order.variant} ${order.scenario} from ${order.from}: the part ended with ${signal ?? `status ${status}`}\n`,
        );
      }
      resolve(part);
    });
  });
}

const began = performance.now();
const already = isDone();
const worker = async (): Promise<void> => {
  while (!state.interrupted && !state.failed && isDone() < total) {
    const job = jobs
      .filter((one) => !one.running && !one.over)
      .reduce<(typeof jobs)[number] | undefined>(
        (least, one) => (least === undefined || one.cpuMs < least.cpuMs ? one : least),
        undefined,
      );
    if (job === undefined) return;
    job.running = true;
    const { variant, scenario } = job;
    const part = await run({
      variant,
      scenario,
      seed: values.seed,
      from: job.next,
      schedules: total - isDone(),
      cpuMs,
    });
    job.running = false;
    if (part === undefined || part.schedules === 0) continue;
    const recorded = { ...part, revision: code, finished: new Date().toISOString() };
    appendPart(values.state, recorded);
    parts.push(recorded);
    job.next += part.schedules;
    job.cpuMs += part.cpuMs;
    job.over = part.violations.length >= 20;
    const seconds = (performance.now() - began) / 1000;
    const done = isDone();
    const left = ((total - done) / (done - already)) * seconds;
    process.stderr.write(
      `${((done / total) * 100).toFixed(1).padStart(5)} %  ${done} of ${total}, ${Math.round(seconds)} s, ${Math.round(left)} s left  ` +
        `${variant} ${scenario}: ${part.schedules} schedules, ${Math.round((part.schedules / part.cpuMs) * 1000)}/s, ${part.violations.length} violations\n`,
    );
    for (const violation of part.violations.slice(0, 3))
      process.stderr.write(
        `  ${violation.id}: ${violation.text}\n  npx splitstorm replay ${violation.token}\n`,
      );
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
