/** `splitstorm bugs`: the corpus of historical bugs, and how surely each is found. */
import { availableParallelism } from 'node:os';
import { writeFileSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { canary } from '../campaign/canary.ts';
import { BUG_VARIANTS, findBugs, quarriesOf, type Quarry } from '../campaign/bugs/corpus.ts';
import type { Hunt, HuntTask } from '../campaign/bugs/hunt.ts';
import { runTasks } from '../campaign/task-pool.ts';
import { planClean, planHunts, type Planned } from '../campaign/bugs/plan.ts';
import { cleanScoreOf, scoreOf } from '../campaign/bugs/score.ts';
import { parseStrategy, strategyText } from '../explore/strategies/index.ts';
import { bugMarkdown, renderBugTable, type BugRow } from '../report/bug-table.ts';
import { corpusLines, corpusSummary } from '../report/corpus.ts';
import { bugRecordLines } from '../report/bug-record.ts';
import { plural } from '../report/text.ts';
import { closest, loadScenario } from '../scenario/load.ts';
import { CORPUS } from '../variants/bugs/table.ts';
import type { Variant } from '../variants/define.ts';
import { EXIT_INTERRUPTED } from '../runtime/outcome.ts';
import { parseCount, parseDuration } from './duration.ts';
import { drawSeed, interruptible, Output } from './output.ts';
import { asOptions } from './scenario-options.ts';
import { textOption, UsageError } from './usage.ts';

const EXIT_MISSED = 1;
const EXIT_HARNESS = 3;
/** Part of the budget that is kept for the clean engine. */
const CLEAN_PART = 0.15;
/** Schedules of the clean engine in each machine, at least. */
const CLEAN_LEAST = 200;

function chosenBugs(args: Readonly<Record<string, unknown>>): readonly Variant[] {
  const name = textOption(args, 'bug');
  if (name === undefined) return BUG_VARIANTS;
  const found = findBugs(name);
  if (found.length > 0) return found;
  const left = CORPUS.find(({ id, leftOut }) => id === name.toUpperCase() && leftOut !== '');
  if (left !== undefined) throw new UsageError(`--bug: ${left.id} is left out, ${left.leftOut}`);
  const names = BUG_VARIANTS.flatMap((variant) => [variant.name, variant.bug?.id ?? variant.name]);
  const close = closest(name, names);
  throw new UsageError(
    `--bug: there is no bug ${name}${close === undefined ? '' : `; did you mean ${close}?`} (see splitstorm bugs)`,
  );
}

export function bugsCommand(done: (status: number) => void): CommandModule {
  return {
    command: 'bugs',
    describe: 'list the historical bugs, or hunt them and score how surely each is found',
    builder: (argv) =>
      argv
        .option('bug', {
          type: 'string',
          requiresArg: true,
          describe: 'hunt this one: a name or an id, B-50',
        })
        .option('all', { type: 'boolean', default: false, describe: 'hunt all of them' })
        .option('trials', {
          type: 'string',
          default: '20',
          requiresArg: true,
          describe: 'hunts for each, from seeds of their own',
        })
        .option('schedules', {
          type: 'string',
          default: '50000',
          requiresArg: true,
          describe: 'most schedules of one hunt',
        })
        .option('budget', {
          type: 'string',
          default: '10m',
          requiresArg: true,
          describe: 'time for all of it',
        })
        .option('strategy', {
          type: 'string',
          default: 'portfolio',
          requiresArg: true,
          describe: 'what picks who goes on (see explore --help)',
        })
        .option('scenario', {
          type: 'string',
          requiresArg: true,
          describe: "hunt in this scenario instead of each bug's own",
        })
        .option('replays', {
          type: 'string',
          default: '600',
          requiresArg: true,
          describe: 'replays to shrink the first failure of each with; 0: leave it as it is',
        })
        .option('clean', {
          type: 'boolean',
          default: true,
          describe: 'with --all: run the clean engine in the same machines too',
        })
        .option('workers', {
          type: 'string',
          requiresArg: true,
          defaultDescription: 'one per core',
          describe: 'threads that hunt',
        })
        .option('seed', { type: 'string', requiresArg: true, defaultDescription: 'drawn, and printed' })
        .option('json', {
          type: 'string',
          requiresArg: true,
          describe: 'write the scores as JSON, - for standard output',
        })
        .option('markdown', {
          type: 'string',
          requiresArg: true,
          describe: 'write the scores as a Markdown table',
        })
        .option('quiet', { type: 'boolean', default: false, describe: 'no report, no progress' })
        .example('$0 bugs', 'what there is')
        .example('$0 bugs --bug B-50', 'hunt one of this year')
        .example('$0 bugs --all --budget 10m --trials 5', 'score all'),
    handler: async (args) => {
      const output = new Output(args);
      if (args['all'] === true && textOption(args, 'bug') !== undefined)
        throw new UsageError('--all and --bug: one or the other');
      const bugs = chosenBugs(args);
      if (textOption(args, 'bug') === undefined && args['all'] !== true) {
        for (const bug of bugs) for (const line of bugRecordLines(bug, output.width)) output.line(line);
        output.line('');
        for (const line of corpusLines(output.width)) output.line(line);
        output.line('');
        output.line(`${corpusSummary()}.`);
        output.line(`${plural(bugs.length, 'bug')}; --bug NAME hunts one, --all scores all.`);
        done(0);
        return;
      }
      const scenario = textOption(args, 'scenario');
      if (scenario !== undefined) await loadScenario(scenario);
      const strategy = strategyText(asOptions(() => parseStrategy(String(args['strategy']))));
      const trials = parseCount(args['trials'], 'trials', 1, 1e4);
      const schedules = parseCount(args['schedules'], 'schedules', 1, 2 ** 31 - 1);
      const replays = parseCount(args['replays'], 'replays', 0, 1e6);
      const budgetMs = parseDuration(String(args['budget']), 'budget');
      if (budgetMs === 0) throw new UsageError('--budget: 0 given, allowed is a duration above it');
      const given = textOption(args, 'workers');
      const workers = given === undefined ? availableParallelism() : parseCount(given, 'workers', 1, 1024);
      const seed = textOption(args, 'seed') ?? drawSeed();

      const net = await canary();
      if (!net.alive) {
        for (const line of net.dead) process.stderr.write(`splitstorm: the canary is dead: ${line}\n`);
        done(EXIT_HARNESS);
        return;
      }
      const began = performance.now();
      const interrupt = interruptible(() => output.progress.clear());
      const quarries = bugs.flatMap((bug) => quarriesOf(bug, scenario));
      const options = { quarries, trials, strategy, seed, schedules, replays };
      let label = 'bugs';
      const run = async (
        planned: readonly Planned[],
        part: number,
      ): Promise<readonly (Hunt | undefined)[]> => {
        let finished = 0;
        let caught = 0;
        return runTasks<HuntTask, Hunt>(
          'hunt',
          planned.map(({ task }) => task),
          {
            workers,
            budgetMs: part * budgetMs - (performance.now() - began),
            signal: interrupt.signal,
            onResult: (_, hunt) => {
              finished++;
              if (hunt.caught !== undefined) caught++;
              const elapsedMs = performance.now() - began;
              output.progress.update({
                label,
                elapsedMs,
                fraction: finished / planned.length,
                remainingMs: (elapsedMs / finished) * (planned.length - finished),
                figures: [
                  ['hunts', finished],
                  ['found', caught],
                ],
                violations: 0,
              });
            },
          },
        );
      };

      const planned = planHunts(options);
      const withClean = args['all'] === true && args['clean'] === true;
      const results = await run(planned, withClean ? 1 - CLEAN_PART : 1);
      const of = (quarry: Quarry): Hunt[] =>
        planned.flatMap((plan, index) =>
          plan.quarry === quarry && results[index] !== undefined ? [results[index]] : [],
        );
      const rows: BugRow[] = quarries.map((quarry) => scoreOf(quarry, strategy, of(quarry)));
      const clean: BugRow[] = [];
      if (withClean && !interrupt.signal.aborted) {
        label = 'clean engine';
        const spent = new Map(quarries.map((quarry, at) => [quarry, rows[at]!.maxSchedules ?? 0]));
        const plans = planClean(options, spent, CLEAN_LEAST);
        const hunts = await run(plans, 1);
        plans.forEach(({ quarry }, index) => {
          const hunt = hunts[index];
          if (hunt !== undefined) clean.push(cleanScoreOf(quarry, strategy, [hunt]));
        });
      }
      interrupt.dispose();
      output.progress.clear();
      const seconds = (performance.now() - began) / 1000;
      const bad = [...rows, ...clean].filter(({ complaint }) => complaint !== undefined);
      const verdict = bad.length === 0 ? 'found' : 'missed';
      const markdown = textOption(args, 'markdown');
      if (markdown !== undefined) writeFileSync(markdown, `${bugMarkdown([...rows, ...clean])}\n`);
      const missed = new Set(rows.flatMap(({ name, complaint }) => (complaint === undefined ? [] : [name])));
      const good = bugs.length - missed.size;
      const alarms = clean.filter(({ complaint }) => complaint !== undefined).length;
      const summary =
        `${good} of ${plural(bugs.length, 'bug')} found in every hunt; ${plural(clean.length, 'machine')} with the clean ` +
        `engine, ${plural(alarms, 'alarm')}; ${seconds.toFixed(0)} s, seed ${seed}; the canary is alive`;
      const tokens = rows.flatMap(({ token }) =>
        token === undefined ? [] : [`  npx splitstorm explain ${token}`],
      );
      output.write(
        () => ({
          format: 'splitstorm-bugs 1',
          seed,
          strategy,
          trials,
          schedules,
          seconds,
          verdict,
          canary: net.proved,
          rows,
          clean,
        }),
        ({ width }) =>
          [
            ...renderBugTable([...rows, ...clean], width),
            '',
            ...(textOption(args, 'bug') === undefined ? [] : tokens),
            summary,
            '',
          ].join('\n'),
        bad.length === 0 ? undefined : summary,
      );
      if (interrupt.signal.aborted) done(EXIT_INTERRUPTED);
      else done(bad.length === 0 ? 0 : EXIT_MISSED);
    },
  };
}
