/** `splitstorm claims`: an experiment about each claim of the commit and each hypothesis, and what it comes to. */
import { availableParallelism } from 'node:os';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { z } from 'zod';
import { canary } from '../campaign/canary.ts';
import type { Experiment } from '../campaign/claims/define.ts';
import { EXPERIMENTS } from '../campaign/claims/experiments/index.ts';
import { findExperiment, loadExperiment } from '../campaign/claims/load.ts';
import type { ClaimTask } from '../campaign/claims/task.ts';
import { runTasks } from '../campaign/task-pool.ts';
import { splitVariants } from '../campaign/variants.ts';
import { VERDICTS, type ClaimRecord, type Verdict } from '../report/claim-record.ts';
import { claimsMarkdown, hasFailed, renderClaims, verdictCounts } from '../report/claims-report.ts';
import { plural, wrap } from '../report/text.ts';
import { isPath } from '../scenario/load.ts';
import { tryFile } from '../scenario/trial.ts';
import { EXIT_INTERRUPTED } from '../runtime/outcome.ts';
import { parseCount, parseDuration } from './duration.ts';
import { checkWritable, interruptible, Output } from './output.ts';
import { textOption, UsageError } from './usage.ts';

const EXIT_CHANGED = 1;
const EXIT_HARNESS = 3;
/** The default, so that two who ask the same get the same answer. */
const DEFAULT_SEED = '1';
/** Loading a user's file must end within this. */
const LOAD_LIMIT_MS = 15_000;
const FORMAT = 'splitstorm-claims 1';

interface Chosen {
  readonly experiment: Experiment;
  /** What a thread loads it by. */
  readonly source: Pick<ClaimTask, 'experiment' | 'file'>;
}

/** @throws UsageError, ScenarioError */
async function chosenOf(args: Readonly<Record<string, unknown>>): Promise<readonly Chosen[]> {
  const ids = textOption(args, 'claim')
    ?.split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');
  const path = textOption(args, 'file');
  const own: Chosen[] = [];
  if (path !== undefined) {
    await tryFile({ kind: 'experiment', path, purpose: 'explore', parameters: {} }, LOAD_LIMIT_MS);
    own.push({ experiment: await loadExperiment(path), source: { experiment: path, file: true } });
  }
  if (ids?.length === 0) throw new UsageError('--claim: nothing given, allowed are ids such as C3,H-A,F1');
  const shipped = ids === undefined ? (path === undefined ? EXPERIMENTS : []) : ids.map(findExperiment);
  return [...new Set(shipped)]
    .map((experiment): Chosen => ({ experiment, source: { experiment: experiment.id, file: false } }))
    .concat(own);
}

/** @throws UsageError */
function parseEffort(given: unknown): number {
  const effort = typeof given === 'string' && given.trim() !== '' ? Number(given) : Number.NaN;
  if (!(effort >= 0.001 && effort <= 1000))
    throw new UsageError(`--effort: ${JSON.stringify(given)} given, allowed is a number from 0.001 to 1000`);
  return effort;
}

const baseline = z.looseObject({
  format: z.literal(FORMAT),
  claims: z.array(z.looseObject({ id: z.string(), verdict: z.enum(VERDICTS) })),
});

/** The verdicts that a file from --json names. @throws UsageError */
function expected(path: string): ReadonlyMap<string, Verdict> {
  if (!existsSync(path)) throw new UsageError(`--expect: there is no file ${path}`);
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`--expect: ${path} is no JSON: ${(error as Error).message}`);
  }
  const parsed = baseline.safeParse(read);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new UsageError(
      `--expect: ${path} was not written by claims --json: ${issue.path.join('.')}: ${issue.message}`,
    );
  }
  return new Map(parsed.data.claims.map(({ id, verdict }) => [id, verdict]));
}

export function claimsCommand(done: (status: number) => void): CommandModule {
  return {
    command: 'claims',
    describe: 'an experiment about each claim of the commit message, each hypothesis and each flush place',
    builder: (argv) =>
      argv
        .option('claim', { type: 'string', requiresArg: true, describe: 'only these: C3,H-A,F1' })
        .option('file', { type: 'string', requiresArg: true, describe: 'an experiment of your own' })
        .option('list', { type: 'boolean', default: false, describe: 'the claims, and nothing run' })
        .option('variant', {
          type: 'string',
          requiresArg: true,
          describe: 'do they hold with your change? It goes on top of every engine',
        })
        .option('effort', {
          type: 'string',
          default: '1',
          requiresArg: true,
          describe: 'multiplies the schedules of random searches',
        })
        .option('budget', {
          type: 'string',
          default: '15m',
          requiresArg: true,
          describe: 'time for all of it; what it does not reach is open',
        })
        .option('control', {
          type: 'boolean',
          default: true,
          describe: 'run each experiment once more where it must come out otherwise',
        })
        .option('replays', {
          type: 'string',
          default: '100',
          requiresArg: true,
          describe: 'replays to shrink each witness with; 0: it stays as it is',
        })
        .option('workers', {
          type: 'string',
          requiresArg: true,
          defaultDescription: 'one per core',
          describe: 'threads',
        })
        .option('seed', {
          type: 'string',
          default: DEFAULT_SEED,
          requiresArg: true,
          describe: 'seed of everything that is drawn',
        })
        .option('expect', {
          type: 'string',
          requiresArg: true,
          describe: 'a file that --json has written: exit 1 if a verdict has changed since',
        })
        .option('json', {
          type: 'string',
          requiresArg: true,
          describe: 'write the records as JSON, - for standard output',
        })
        .option('markdown', {
          type: 'string',
          requiresArg: true,
          describe: 'write the verdict table as Markdown',
        })
        .option('quiet', { type: 'boolean', default: false, describe: 'no report, no progress' })
        .example('$0 claims --list', 'what there is')
        .example('$0 claims --claim C11,F1', 'two of them')
        .example('$0 claims --file ./mine.ts', 'your own')
        .example('$0 claims --variant ./my-idea.ts', 'whether they hold with your change')
        .epilog(
          'Exit status: 0 each experiment came to a verdict, whichever: refuted is an answer. 1 a verdict differs from that in ' +
            '--expect. 2 wrong usage or bad input. 3 the harness failed, or a control came out as the experiment itself. 130 interrupted.',
        ),
    handler: async (args) => {
      const output = new Output(args);
      const chosen = await chosenOf(args);
      if (args['list'] === true) {
        for (const { experiment } of chosen) {
          const [first = '', ...rest] = wrap(experiment.claim, output.width - 6);
          output.line(`${experiment.id.padEnd(6)}${first}`);
          for (const line of rest) output.line(`      ${line}`);
        }
        done(0);
        return;
      }
      const effort = parseEffort(args['effort']);
      const budgetMs = parseDuration(String(args['budget']), 'budget');
      if (budgetMs === 0) throw new UsageError('--budget: 0 given, allowed is a duration above it');
      const replays = parseCount(args['replays'], 'replays', 0, 1e6);
      const given = textOption(args, 'workers');
      const workers = given === undefined ? availableParallelism() : parseCount(given, 'workers', 1, 1024);
      const seed = String(args['seed']);
      if (seed === '' || seed.length > 64 || /\s/.test(seed))
        throw new UsageError(
          `--seed: ${JSON.stringify(seed)} given, allowed are 1 to 64 characters without spaces`,
        );
      const variant = textOption(args, 'variant');
      for (const part of variant === undefined ? [] : splitVariants(variant)) {
        if (isPath(part))
          await tryFile({ kind: 'variant', path: part, purpose: 'explore', parameters: {} }, LOAD_LIMIT_MS);
      }
      const before =
        textOption(args, 'expect') === undefined ? undefined : expected(textOption(args, 'expect')!);
      const markdown = textOption(args, 'markdown');
      if (markdown !== undefined) checkWritable(markdown, 'markdown');

      const net = await canary();
      if (!net.alive) {
        for (const line of net.dead) process.stderr.write(`splitstorm: the canary is dead: ${line}\n`);
        done(EXIT_HARNESS);
        return;
      }
      const began = performance.now();
      const interrupt = interruptible(() => output.progress.clear());
      let finished = 0;
      let failures = 0;
      const tasks = chosen.map(({ source }) => ({
        ...source,
        seed,
        effort,
        replays,
        withoutControl: args['control'] === false,
        ...(variant === undefined ? {} : { variant }),
      }));
      const progress = (): void => {
        const elapsedMs = performance.now() - began;
        output.progress.update({
          label: 'claims',
          elapsedMs,
          fraction: finished / tasks.length,
          remainingMs: finished === 0 ? null : (elapsedMs / finished) * (tasks.length - finished),
          figures: [['experiments', finished]],
          violations: failures,
        });
      };
      progress();
      const results = await runTasks<ClaimTask, ClaimRecord>('claim', tasks, {
        workers,
        budgetMs,
        signal: interrupt.signal,
        onResult: (_, record) => {
          finished++;
          if (hasFailed(record)) failures++;
          progress();
        },
      });
      interrupt.dispose();
      const interrupted = interrupt.signal.aborted;
      const why = interrupted ? 'it was interrupted before' : 'the time was up before it began';
      const records = results.map(
        (record, at): ClaimRecord =>
          record ?? {
            id: chosen[at]!.experiment.id,
            claim: chosen[at]!.experiment.claim,
            facts: chosen[at]!.experiment.facts ?? [],
            verdict: 'open',
            text: `Nothing is known: ${why}.`,
            runs: [],
            seconds: 0,
          },
      );
      const changes = records.flatMap(({ id, verdict }) => {
        const was = before?.get(id);
        return before === undefined || was === verdict
          ? []
          : [`${id} was ${was ?? 'not there'}, and is ${verdict}`];
      });
      const bad = records.filter(hasFailed);
      const seconds = (performance.now() - began) / 1000;
      const schedules = records.reduce(
        (sum, { runs }) => sum + runs.reduce((all, run) => all + run.schedules, 0),
        0,
      );
      const summary =
        `${plural(records.length, 'claim')}: ${verdictCounts(records)}; ${plural(bad.length, 'failure')}; ` +
        `${plural(schedules, 'schedule')}, ${seconds.toFixed(0)} s, effort ${effort}, seed ${seed}`;
      if (markdown !== undefined) writeFileSync(markdown, `${claimsMarkdown(records)}\n`);
      output.write(
        () => ({
          format: FORMAT,
          seed,
          effort,
          ...(variant === undefined ? {} : { variant }),
          seconds,
          canary: net.proved,
          claims: records,
        }),
        ({ width }) =>
          [...renderClaims(records, width), ...changes.map((line) => `CHANGED  ${line}`), summary, ''].join(
            '\n',
          ),
        bad.length === 0 && changes.length === 0 ? undefined : [...changes, summary].join('; '),
      );
      if (interrupted) done(EXIT_INTERRUPTED);
      else if (bad.length > 0) done(EXIT_HARNESS);
      else done(changes.length > 0 ? EXIT_CHANGED : 0);
    },
  };
}
