/** `npm run scoreboard`: how soon each strategy finds each bug (explorer notes 3.6). See --help. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { ProgressWriter } from '../src/report/progress.ts';
import { formatCount } from '../src/report/text.ts';
import { compare, comparisonGrid, type Comparison } from './scoreboard/compare.ts';
import { gridMarkdown, gridText, type Grid } from './scoreboard/grid.ts';
import { measure } from './scoreboard/measure.ts';
import { mutationGrid } from './scoreboard/mutants.ts';
import { parseOptions, USAGE, UsageError, type Options } from './scoreboard/options.ts';
import { beside, PUBLISHED } from './scoreboard/published.ts';
import {
  formatResults,
  mergeResults,
  parseResults,
  ResultsError,
  type Results,
} from './scoreboard/results.ts';
import { details, overviews } from './scoreboard/tables.ts';
import { targetGrid } from './scoreboard/targets.ts';

const EXIT = { regression: 1, usage: 2, interrupted: 130 } as const;

function read(file: string): Results {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ResultsError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return parseResults(text, file);
}

/** Runs the trials with progress on stderr. */
async function run(options: Options, signal: AbortSignal): Promise<Results> {
  const progress = new ProgressWriter({
    stream: process.stderr,
    quiet: options.quiet,
    now: () => performance.now(),
  });
  const began = performance.now();
  let schedules = 0;
  const results = await measure({
    ...options,
    signal,
    onTrial: (done, total, task, trial) => {
      schedules += trial.schedules;
      const elapsedMs = performance.now() - began;
      progress.update({
        label: `scoreboard ${task.subject} ${task.strategy}`,
        elapsedMs,
        fraction: done / total,
        remainingMs: null,
        figures: [
          ['trials', done],
          ['schedules/s', (schedules / elapsedMs) * 1000],
        ],
        violations: 0,
      });
    },
  });
  progress.clear();
  const seconds = (performance.now() - began) / 1000;
  const steps = results.cells.reduce((sum, cell) => sum + cell.steps, 0);
  process.stderr.write(
    `${formatCount(schedules)} schedules, ${formatCount(steps)} visible operations in ${seconds.toFixed(0)} s ` +
      `(${formatCount(schedules / seconds)} schedules/s) on ${options.workers} threads, Node ${process.version}, ` +
      `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown CPU'}\n`,
  );
  return results;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  // Before anything is measured: a baseline that cannot be read is found out at once.
  const baseline = options.compare === undefined ? undefined : read(options.compare);
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  const results =
    options.show.length > 0 ? mergeResults(options.show.map(read)) : await run(options, abort.signal);
  const comparisons: Comparison[] = baseline === undefined ? [] : compare(baseline, results);
  if (options.json !== undefined) {
    if (options.json === '-') process.stdout.write(formatResults(results));
    else writeFileSync(options.json, formatResults(results));
  }
  if (options.json !== '-') {
    const grids: (Grid | undefined)[] = [
      ...overviews(results),
      options.details ? details(results) : undefined,
      ...PUBLISHED.map((table) => beside(results, table)),
      mutationGrid(results),
      targetGrid(results),
      baseline === undefined ? undefined : comparisonGrid(comparisons, options.compare!),
    ];
    const width = process.stdout.isTTY ? process.stdout.columns : Infinity;
    const shown = grids.filter((grid) => grid !== undefined && grid.rows.length > 0) as Grid[];
    const text = shown.map((grid) => (options.markdown ? gridMarkdown(grid) : gridText(grid, width)));
    process.stdout.write(text.join('\n'));
  }
  if (abort.signal.aborted) return EXIT.interrupted;
  return comparisons.some(({ worse }) => worse) ? EXIT.regression : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError || error instanceof ResultsError)) throw error;
  process.stderr.write(`scoreboard: ${error.message}\n`);
  process.exitCode = EXIT.usage;
}
