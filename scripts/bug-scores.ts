/**
 * docs/bugs.md from what `splitstorm bugs --all --json FILE` has written.
 *
 *     node --import tsx scripts/bug-scores.ts FILE --date 2026-11-28 --machine 'two shared cores' --revision abcdef123456
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bugMarkdown, type BugRow } from '../src/report/bug-table.ts';
import { formatCount, plural } from '../src/report/text.ts';

interface Scores {
  readonly format: string;
  readonly seed: string;
  readonly strategy: string;
  readonly trials: number;
  readonly schedules: number;
  readonly seconds: number;
  readonly rows: readonly BugRow[];
  readonly clean: readonly BugRow[];
}

/** The middle value of those that are known. */
function median(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  return known[Math.floor((known.length - 1) / 2)];
}

const count = (value: number | undefined): string => (value === undefined ? 'none' : formatCount(value));

/** What the rows come to, a sentence each. */
function summary({ rows, clean }: Pick<Scores, 'rows' | 'clean'>): string[] {
  const always = rows.filter(({ found, trials }) => trials > 0 && found === trials);
  const rarely = rows.filter((row) => !always.includes(row));
  const trials = rows.map((row) => row.trials);
  const slow = rows.filter(({ medianSchedules }) => (medianSchedules ?? Infinity) > 2000);
  const shrunk = rows.map(({ preemptions }) => preemptions);
  const many = rows.filter(({ preemptions }) => (preemptions ?? 0) > 5);
  const alarms = clean.filter(({ complaint }) => complaint !== undefined);
  const searched = clean.reduce((sum, { maxSchedules }) => sum + (maxSchedules ?? 0), 0);
  const variants = new Set(rows.map(({ name }) => name)).size;
  const names = (list: readonly BugRow[]): string =>
    list.length === 0
      ? ''
      : ` (not: ${list.map(({ name, scenario }) => `${name} in ${scenario}`).join(', ')})`;
  return [
    `${plural(variants, 'variant')}, some in several scenarios: ${always.length} of ${plural(rows.length, 'row')} were found in every trial, of which each had ${[...new Set([Math.min(...trials), Math.max(...trials)])].join(' to ')}${names(rarely)}.`,
    `The median of the medians is ${count(median(rows.map((row) => row.medianSchedules)))} schedules; ${rows.length - slow.length} have one within 2,000${names(slow)}.`,
    `After shrinking the first failure of each has ${count(median(shrunk))} preemptions in the median; ${rows.length - many.length} have at most 5${names(many)}.`,
    `The clean engine in the ${plural(clean.length, 'machine')} they were hunted in: ${plural(searched, 'schedule')}, ${plural(alarms.length, 'alarm')}.`,
  ];
}

function document(scores: Scores, date: string, machine: string, revision: string): string {
  const { seed, strategy, schedules, seconds, rows, clean } = scores;
  return `# How surely the bugs are found

Written by \`scripts/bug-scores.ts\` from a run of

    npx splitstorm bugs --all --seed ${seed} --trials ${scores.trials} --strategy ${strategy} --schedules ${schedules}

on ${date}: revision ${revision}, ${machine}, ${formatCount(Math.round(seconds))} s in all. Schedule counts, checks and tokens are functions of
revision and seed; seconds are the machine's.

${summary(scores)
  .map((line) => `- ${line}`)
  .join('\n')}

_Schedules_ is the median number up to the first failure after Kaplan and Meier, behind it the most; _s_ the median time of a hunt;
_by_ the checks that fired first, and how often; _preempt._ what shrinking has left of the first failure's. D24, which counts flushes
and gives a missing one away at once, is left out except where it is the check expected. \`splitstorm bugs\` says of each what
went wrong and why another check may fire first; \`splitstorm explain TOKEN\` says how.

${bugMarkdown(rows)}

## The clean engine

As many schedules in each machine as the longest successful hunt there took.

${bugMarkdown(clean)}
${complaints([...rows, ...clean])}`;
}

function complaints(rows: readonly BugRow[]): string {
  const wrong = rows.filter(({ complaint }) => complaint !== undefined);
  if (wrong.length === 0) return '';
  const lines = wrong.map(({ name, scenario, complaint }) => `- ${name} in ${scenario}: ${complaint}`);
  return `\n## What is not as it should be\n\n${lines.join('\n')}\n`;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { date: { type: 'string' }, machine: { type: 'string' }, revision: { type: 'string' } },
});
const { date, machine, revision } = values;
const [file] = positionals;
if (file === undefined || date === undefined || machine === undefined || revision === undefined)
  throw new Error('usage: bug-scores.ts FILE --date DAY --machine TEXT --revision COMMIT');
const scores = JSON.parse(readFileSync(file, 'utf8')) as Scores;
if (scores.format !== 'splitstorm-bugs 1') throw new Error(`${file} has format ${scores.format}`);
writeFileSync(new URL('../docs/bugs.md', import.meta.url), document(scores, date, machine, revision));
