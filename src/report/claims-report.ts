/** The verdicts about the claims, for a terminal and for Markdown. Pure functions of the records. */
import type { ClaimRecord, ClaimRun, Verdict, Witness } from './claim-record.ts';
import { VERDICTS } from './claim-record.ts';
import { formatCount, formatShare, plural, wrap } from './text.ts';

const LABEL = 9;

/** How much was searched, in a few words. */
export function searchedText(run: ClaimRun): string {
  const count = plural(
    run.schedules,
    run.method === 'every behaviour' ? 'class' : 'schedule',
    run.method === 'every behaviour' ? 'classes' : 'schedules',
  );
  if (run.broken !== undefined) return `${run.broken} is broken after ${count}`;
  switch (run.method) {
    case 'every behaviour':
      return run.complete ? `every behaviour, ${count}` : `not complete, ${count}`;
    case 'preemptions':
      return run.complete
        ? `all with at most ${plural(run.bound ?? 0, 'preemption')}, ${count}`
        : `not complete up to ${plural(run.bound ?? 0, 'preemption')}, ${count}`;
    case 'measured':
      return `${count} at random`;
    case 'random':
      return `${count} at random${run.nextIsNew === undefined ? '' : `; the next is new with ${formatShare(run.nextIsNew)}`}`;
  }
}

const witnessText = ({ what, check, preemptions, token }: Witness): string =>
  `${check} in ${what}, ${plural(preemptions, 'preemption')}${token === undefined ? '' : `: npx splitstorm explain ${token}`}`;

const figureTexts = ({ figures = {} }: ClaimRecord): string[] =>
  Object.entries(figures).map(
    ([name, value]) => `${name}: ${typeof value === 'number' ? formatFigure(value) : value}`,
  );

const formatFigure = (value: number): string =>
  Number.isInteger(value) ? formatCount(value) : String(Number(value.toPrecision(3)));

function controlText({ control }: ClaimRecord): string | undefined {
  if (control === undefined) return undefined;
  const came = `with ${control.changed}: ${control.verdict}, ${plural(control.schedules, 'schedule')}`;
  return control.otherwise ? came : `${came}. IT MUST COME OUT OTHERWISE: this experiment is blind`;
}

/** True if a record says that the harness, or the experiment, does not work. */
export const hasFailed = (record: ClaimRecord): boolean =>
  record.error !== undefined || record.control?.otherwise === false;

/** One claim. */
export function claimLines(record: ClaimRecord, width: number): string[] {
  const lines = wrap(`${record.id}  ${record.verdict.toUpperCase()}  ${record.claim}`, width);
  const part = (label: string, text: string): void => {
    wrap(text, width - LABEL - 2).forEach((line, at) => {
      lines.push(`  ${(at === 0 ? label : '').padEnd(LABEL)}${line}`);
    });
  };
  part('answer', record.text);
  const figures = figureTexts(record);
  if (figures.length > 0) part('figures', figures.join('; '));
  for (const run of record.runs) part('ran', `${run.command}: ${searchedText(run)}`);
  for (const witness of record.witnesses ?? []) part('witness', witnessText(witness));
  const control = controlText(record);
  if (control !== undefined) part('control', control);
  if (record.error !== undefined) part('FAILED', record.error);
  return lines;
}

/** `12 confirmed, 3 refuted, 1 measured`. */
export function verdictCounts(records: readonly ClaimRecord[]): string {
  const count = (verdict: Verdict): number => records.filter((record) => record.verdict === verdict).length;
  return VERDICTS.filter((verdict) => count(verdict) > 0)
    .map((verdict) => `${count(verdict)} ${verdict}`)
    .join(', ');
}

export const renderClaims = (records: readonly ClaimRecord[], width: number): string[] =>
  records.flatMap((record) => [...claimLines(record, width), '']);

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** The verdict table, and below it what was run and what shows it. */
export function claimsMarkdown(records: readonly ClaimRecord[]): string {
  const rows = records.map((record) => {
    const schedules = record.runs.reduce((sum, run) => sum + run.schedules, 0);
    const complete = record.runs.filter((run) => run.complete).length;
    const searched = `${formatCount(schedules)}${complete === 0 ? '' : complete === record.runs.length ? ', complete' : `, ${complete} of ${record.runs.length} searches complete`}`;
    return `| ${record.id} | ${cell(record.claim)} | **${record.verdict}** | ${cell(record.text)} | ${searched} |`;
  });
  const details = records.flatMap((record) => [
    '',
    `### ${record.id}`,
    '',
    ...figureTexts(record).map((text) => `- ${text}`),
    ...record.runs.map((run) => `- \`${run.command}\`: ${searchedText(run)}`),
    ...(record.witnesses ?? []).map((witness) => `- witness: ${witnessMarkdown(witness)}`),
    ...[controlText(record)].filter((text) => text !== undefined).map((text) => `- control, ${text}`),
    ...(record.error === undefined ? [] : [`- FAILED: ${record.error}`]),
  ]);
  return [
    '| id | claim | verdict | answer | schedules |',
    '|---|---|---|---|---:|',
    ...rows,
    ...details,
  ].join('\n');
}

const witnessMarkdown = ({ what, check, preemptions, token }: Witness): string =>
  `${check} in ${what}, ${plural(preemptions, 'preemption')}${token === undefined ? '' : `, \`npx splitstorm explain ${token}\``}`;
