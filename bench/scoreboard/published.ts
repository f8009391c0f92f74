/** The published tables (bench/scoreboard/published.json, with their sources) and our figures beside them. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Grid } from './grid.ts';
import { figuresOf } from './figures.ts';
import { cellOf, names, type Results } from './results.ts';
import { ENTRIES } from './subjects.ts';
import { schedulesText } from './tables.ts';

const tableSchema = z.strictObject({
  id: z.string(),
  source: z.string(),
  trials: z.number(),
  budget: z.number().nullable(),
  statistic: z.string(),
  /** In our names where we have the strategy. */
  strategies: z.array(z.string()),
  /** Cells as published: `17`, `3225 (16)` where 16 trials succeeded, `0` where none did. */
  rows: z.record(z.string(), z.array(z.string().regex(/^\d+(\.\d+)?( \(\d+\))?$/))),
  summary: z.record(z.string(), z.array(z.number().nullable())),
});
export type PublishedTable = z.infer<typeof tableSchema>;

export const PUBLISHED: readonly PublishedTable[] = z
  .strictObject({ tables: z.array(tableSchema) })
  .parse(JSON.parse(readFileSync(new URL('./published.json', import.meta.url), 'utf8'))).tables;

/** Our mean over successes, as the published tables give it. */
function ours(results: Results, subject: string, strategy: string): string {
  const cell = cellOf(results, subject, strategy);
  if (cell === undefined) return '';
  const { mean, found, trials } = figuresOf(cell, results.budget);
  return found === 0 ? '0' : `${schedulesText(mean)}${found < trials ? ` (${found})` : ''}`;
}

/** A published table with our figures in the rows and columns that we have too; undefined if there are none. */
export function beside(results: Results, table: PublishedTable): Grid | undefined {
  const measured = new Set(names(results, 'strategy'));
  const columns = table.strategies.flatMap((strategy, index) =>
    measured.has(strategy) ? [{ strategy, index }] : [],
  );
  const subjects = new Set(names(results, 'subject'));
  const rows = ENTRIES.flatMap(({ name, kernel }) => {
    const published = kernel?.published === undefined ? undefined : table.rows[kernel.published];
    if (published === undefined || !subjects.has(name)) return [];
    return [
      [
        name,
        ...columns.map(({ strategy, index }) => `${published[index]!} : ${ours(results, name, strategy)}`),
      ],
    ];
  });
  if (columns.length === 0 || rows.length === 0) return undefined;
  const budget = table.budget === null ? '' : `, budget ${table.budget}`;
  return {
    title: `Published : ours (${table.id})`,
    head: ['', ...columns.map(({ strategy }) => strategy)],
    rows,
    notes: [
      `${table.source}; ${table.trials} trials${budget}`,
      `${table.statistic}; (k): trials that found it, where not all did; 0: none`,
    ],
  };
}
