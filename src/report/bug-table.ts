/** How often, how fast and by what the bugs were found: for a terminal, for Markdown. Pure functions of the rows. */
import Table from 'cli-table3';
import { formatCount } from './text.ts';

/** One bug, or the clean engine in one scenario. */
export interface BugRow {
  readonly name: string;
  /** Row of kernel-facts. */
  readonly id: string;
  readonly scenario: string;
  readonly strategy: string;
  readonly found: number;
  readonly trials: number;
  /** Schedules to the first failure: the median after Kaplan and Meier, and the most. */
  readonly medianSchedules: number | undefined;
  readonly maxSchedules: number | undefined;
  readonly medianSeconds: number | undefined;
  /** Checks that fired first, and how often. */
  readonly checks: Readonly<Record<string, number>>;
  /** Most preemptions that were left after shrinking. */
  readonly preemptions: number | undefined;
  readonly token: string | undefined;
  /** What is wrong with the row; absent if it is as it should be. */
  readonly complaint?: string;
}

const NONE = '-';

function seconds(value: number | undefined): string {
  if (value === undefined) return NONE;
  if (value < 0.01) return '<0.01';
  return value < 10 ? value.toFixed(2) : value.toFixed(0);
}

const schedules = ({ medianSchedules, maxSchedules }: BugRow): string => {
  if (maxSchedules === undefined) return NONE;
  const median = medianSchedules === undefined ? '>half' : formatCount(medianSchedules);
  return `${median} (${formatCount(maxSchedules)})`;
};

const checks = ({ checks: fired }: BugRow): string => {
  const entries = Object.entries(fired).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return entries.length === 0 ? NONE : entries.map(([id, count]) => `${id} ${count}`).join(', ');
};

const HEAD = ['bug', 'id', 'scenario', 'found', 'schedules (max)', 's', 'by', 'preempt.'];

const cells = (row: BugRow): string[] => [
  row.name,
  row.id,
  row.scenario,
  `${row.found}/${row.trials}`,
  schedules(row),
  seconds(row.medianSeconds),
  checks(row),
  row.preemptions === undefined ? NONE : String(row.preemptions),
];

const EDGES =
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid';
const NO_LINES = Object.fromEntries(EDGES.split(' ').map((name) => [name, '']));

/** Lines for a terminal; columns are dropped from the right where it is narrow, the complaints stand below. */
export function renderBugTable(rows: readonly BugRow[], width: number): string[] {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  // The last column of what a person needs least goes first.
  const order = [7, 5, 1, 2];
  const shown = new Set(HEAD.keys());
  const total = (): number => [...shown].reduce((sum, column) => sum + widths[column]! + 2, 0);
  for (const column of order) if (total() > width) shown.delete(column);
  const table = new Table({
    chars: { ...NO_LINES, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const line of lines) table.push(line.filter((_, column) => shown.has(column)));
  const complaints = rows.flatMap(({ name, scenario, complaint }) =>
    complaint === undefined ? [] : [`  ${name} in ${scenario}: ${complaint}`],
  );
  const text = table.toString().split('\n');
  return [...text.map((line) => line.trimEnd()), ...(complaints.length > 0 ? ['', ...complaints] : [])];
}

/** A Markdown table with a token to replay for each bug. */
export function bugMarkdown(rows: readonly BugRow[]): string {
  const head = [...HEAD, 'token'];
  const body = rows.map((row) => [...cells(row), row.token === undefined ? NONE : `\`${row.token}\``]);
  return [head, head.map(() => '---'), ...body].map((line) => `| ${line.join(' | ')} |`).join('\n');
}
