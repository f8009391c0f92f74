/**
 * The lock table in the vocabulary of /proc/lock_stat: one table where it fits, one for waits and one for holds on a
 * narrow terminal, and blocks of lines where not even those fit. A table is never broken across lines.
 */
import Table from 'cli-table3';
import type { LockFigures, LockSummary, TimeUnit } from '../measure/lock-stats.ts';
import type { HistogramData } from '../measure/value-histogram.ts';
import { formatTime, wrap } from './text.ts';

const BLOCK_INDENT = 4;

interface Column {
  readonly head: string;
  readonly cell: (figures: LockFigures) => string;
}

const TIMES = ['min', 'max', 'total', 'avg'] as const;

function timeColumns(name: string, unit: TimeUnit, of: (figures: LockFigures) => HistogramData): Column[] {
  return TIMES.map((what) => ({
    head: `${name}-${what}`,
    cell: (figures) => {
      const data = of(figures);
      if (what === 'avg') return formatTime(data.count === 0 ? 0 : data.total / data.count, unit);
      return formatTime(data[what], unit);
    },
  }));
}

interface Row {
  readonly name: string;
  readonly figures: LockFigures;
  readonly heading: boolean;
}

function rowsOf(locks: readonly LockSummary[]): Row[] {
  return locks.flatMap((lock) => [
    { name: lock.name, figures: lock.total, heading: true },
    ...lock.byClass.map(({ cls, figures }) => ({ name: `  ${cls}`, figures, heading: false })),
  ]);
}

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '-',
  'mid-mid': '--',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** Breaks a heading at its dash, so that a column is as wide as its figures: `waittime` over `-min`. */
function stackHead(head: string): string {
  return head.replace(/-(?!$)/, head.startsWith('con-') ? '-\n' : '\n-');
}

function drawTable(
  rows: readonly Row[],
  columns: readonly Column[],
  bold: (text: string) => string,
): string[] {
  const heads = ['class name', ...columns.map((column) => stackHead(column.head))];
  const table = new Table({
    head: heads,
    chars: NO_LINES,
    colAligns: ['left', ...columns.map(() => 'right' as const)],
    // Its own colours are red heads and grey lines, terminal or not: off. Colour comes in with the cells.
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  });
  for (const { name, figures, heading } of rows) {
    const cells = [name, ...columns.map((column) => column.cell(figures))];
    table.push(heading ? cells.map((cell) => bold(cell)) : cells);
  }
  return table.toString().split('\n');
}

// eslint-disable-next-line no-control-regex -- the escape sequences of colours
const COLORS = /\u001b\[\d+m/g;

/** Width of a line on the terminal. */
export function visibleLength(line: string): number {
  return line.replaceAll(COLORS, '').length;
}

function drawBlocks(rows: readonly Row[], columns: readonly Column[], options: LockTableOptions): string[] {
  const { width, bold = String } = options;
  return rows.flatMap(({ name, figures, heading }) => {
    const pairs = columns.map((column) => `${column.head} ${column.cell(figures)}`);
    const lines = wrap(pairs.join(', '), width - BLOCK_INDENT).map((line) => ' '.repeat(BLOCK_INDENT) + line);
    return [heading ? bold(name) : name, ...lines];
  });
}

export interface LockTableOptions {
  readonly unit: TimeUnit;
  readonly width: number;
  readonly bold?: (text: string) => string;
}

/** The lines of the table, none wider than `width` unless `width` is below that of a single figure. */
export function renderLockTable(locks: readonly LockSummary[], options: LockTableOptions): string[] {
  const { unit, width, bold = String } = options;
  const rows = rowsOf(locks);
  const bounces: Column = { head: 'con-bounces', cell: ({ bounces: n }) => (n === null ? '-' : String(n)) };
  const contentions: Column = { head: 'contentions', cell: (figures) => String(figures.contentions) };
  const acquisitions: Column = { head: 'acquisitions', cell: (figures) => String(figures.acquisitions) };
  const waits = [contentions, ...timeColumns('waittime', unit, (figures) => figures.wait)];
  const holds = [acquisitions, ...timeColumns('holdtime', unit, (figures) => figures.hold)];
  const layouts: (readonly (readonly Column[])[])[] = [
    [[bounces, ...waits, ...holds]],
    [[bounces, ...waits], holds],
    [waits, holds],
  ];
  for (const layout of layouts) {
    const tables = layout.map((columns) => drawTable(rows, columns, bold));
    if (tables.every((lines) => lines.every((line) => visibleLength(line) <= width))) {
      return tables.flatMap((lines, at) => (at === 0 ? lines : ['', ...lines]));
    }
  }
  return drawBlocks(rows, [bounces, ...waits, ...holds], options);
}
