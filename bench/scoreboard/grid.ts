/** A table as data, printed for a terminal or as Markdown. */
export interface Grid {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Sentences below the table. */
  readonly notes: readonly string[];
}

const widthsOf = (grid: Grid): number[] =>
  grid.head.map((name, column) =>
    Math.max(name.length, ...grid.rows.map((row) => (row[column] ?? '').length)),
  );

/** Columns that fit side by side; the first is repeated. A column wider than the terminal stands alone. */
function chunks(widths: readonly number[], width: number): number[][] {
  const parts: number[][] = [];
  let part: number[] = [];
  let used = widths[0]!;
  for (let column = 1; column < widths.length; column++) {
    if (part.length > 0 && used + 2 + widths[column]! > width) {
      parts.push(part);
      part = [];
      used = widths[0]!;
    }
    part.push(column);
    used += 2 + widths[column]!;
  }
  parts.push(part);
  return parts;
}

/** Columns aligned, names to the left, figures to the right; broken into parts that fit `width`. */
export function gridText(grid: Grid, width: number): string {
  const widths = widthsOf(grid);
  const line = (row: readonly string[], columns: readonly number[]): string =>
    [row[0]!.padEnd(widths[0]!), ...columns.map((column) => (row[column] ?? '').padStart(widths[column]!))]
      .join('  ')
      .trimEnd();
  const parts = chunks(widths, width).map((columns) => {
    const head = line(grid.head, columns);
    return [head, '-'.repeat(head.length), ...grid.rows.map((row) => line(row, columns))].join('\n');
  });
  return [grid.title, '', parts.join('\n\n'), ...grid.notes.map((note) => `  ${note}`), ''].join('\n');
}

const escaped = (text: string): string => text.replaceAll('|', '\\|').replaceAll('*', '\\*');

export function gridMarkdown(grid: Grid): string {
  const row = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`;
  const rule = `| ${grid.head.map((_, column) => (column === 0 ? '---' : '---:')).join(' | ')} |`;
  const notes = grid.notes.map((note) => `- ${escaped(note)}`);
  return [
    `### ${grid.title}`,
    '',
    row(grid.head),
    rule,
    ...grid.rows.map((cells) => row(cells)),
    '',
    ...notes,
    '',
  ].join('\n');
}
