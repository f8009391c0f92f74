/** Tables of a conformance report. A table that does not fit the terminal loses columns of detail, never rows. */
import Table from 'cli-table3';
import type pc from 'picocolors';
import { formatCount, truncate } from '../../report/text.ts';
import { KIND_GROUPS, KINDS, type Counted, type Kind } from '../compare/difference.ts';
import { unexplained, type Verdict } from '../verdict.ts';

export type Colors = ReturnType<typeof pc.createColors>;

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '  ',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** Text columns first, then right-aligned numbers. */
function render(
  head: readonly string[],
  rows: ReadonlyArray<readonly string[]>,
  textColumns: number,
): string[] {
  const table = new Table({
    head: [...head],
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: head.map((_, k) => (k < textColumns ? 'left' : 'right')),
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}

export function percent(part: number, whole: number): string {
  if (whole === 0 || part === 0) return '0 %';
  const value = (100 * part) / whole;
  return `${value < 0.01 ? '< 0.01' : value.toFixed(2)} %`;
}

/** Compared, different, and with `listed` also what is on the list, by kind. */
export function kindTable(counts: Readonly<Record<Kind, Counted>>, listed = true): string[] {
  const rows = KINDS.filter((kind) => counts[kind].compared > 0).map((kind) => {
    const counted = counts[kind];
    const row = [kind, formatCount(counted.compared), formatCount(unexplained(counted))];
    return listed ? [...row, formatCount(counted.allowed), percent(counted.allowed, counted.compared)] : row;
  });
  return render(['kind', 'values', 'different', ...(listed ? ['on the list', 'share'] : [])], rows, 1);
}

/** One row for each file: what differs under the three heads, and the verdict. */
export function fileTable(verdicts: readonly Verdict[], width: number, colors: Colors): string[] {
  const wide = width >= 96;
  const heads = Object.keys(KIND_GROUPS) as Array<keyof typeof KIND_GROUPS>;
  const nameWidth = Math.max(12, width - (wide ? 76 : 30));
  const rows = verdicts.map(({ recording, tally, engine, conforms }) => {
    const total = tally.total();
    return [
      truncate(recording.name, nameWidth),
      recording.kernel.variant,
      ...(wide ? [engine] : []),
      conforms ? colors.green('yes') : colors.red('NO'),
      formatCount(total.compared),
      ...(wide ? heads.map((head) => formatCount(unexplained(tally.total(KIND_GROUPS[head])))) : []),
      ...(wide ? [formatCount(total.allowed)] : [formatCount(unexplained(total))]),
    ];
  });
  const head = wide
    ? ['recording', 'kernel', 'model', 'conforms', 'values', ...heads, 'listed']
    : ['recording', 'kernel', 'ok', 'values', 'differ'];
  return render(head, rows, wide ? 4 : 3);
}
