/** The results of a scoreboard, as they are stored: what a baseline and `--json` hold. */
import { z } from 'zod';
import type { Observation } from '../../src/measure/survival.ts';

const count = z.number().int().nonnegative();

const cellSchema = z.strictObject({
  subject: z.string(),
  strategy: z.string(),
  /** Schedules to the first failure, trial by trial; null where the budget ended first. */
  schedules: z.array(z.union([count.positive(), z.null()])).min(1),
  /** Visible operations of all trials. */
  steps: count,
  /** Ids of what was found, with how often. */
  by: z.record(z.string(), count),
});

const resultsSchema = z.strictObject({
  format: z.literal('splitstorm-scoreboard 1'),
  seed: z.string(),
  trials: count.positive(),
  budget: count.positive(),
  cells: z.array(cellSchema),
});

export type Cell = z.infer<typeof cellSchema>;
export type Results = z.infer<typeof resultsSchema>;

/** A file is not what it should be; the message says where. */
export class ResultsError extends Error {
  override readonly name = 'ResultsError';
}

/** @throws ResultsError */
export function parseResults(text: string, file: string): Results {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ResultsError(`${file}: not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = resultsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ResultsError(`${file}: ${issue!.path.join('.') || 'the whole file'}: ${issue!.message}`);
}

/** JSON with a cell a line. */
export function formatResults({ cells, ...head }: Results): string {
  const lines = cells.map((cell) => `    ${JSON.stringify(cell)}`).join(',\n');
  return `${JSON.stringify(head, undefined, 2).slice(0, -2)},\n  "cells": [\n${lines}\n  ]\n}\n`;
}

/** Misses are trials that were given up after the budget. */
export const observations = (cell: Cell, budget: number): Observation[] =>
  cell.schedules.map((schedules) => ({ time: schedules ?? budget, event: schedules !== null }));

export const cellOf = (results: Results, subject: string, strategy: string): Cell | undefined =>
  results.cells.find((cell) => cell.subject === subject && cell.strategy === strategy);

export const names = (results: Results, which: 'subject' | 'strategy'): string[] => [
  ...new Set(results.cells.map((cell) => cell[which])),
];

/** Results of several runs as one; @throws ResultsError if their trials, budgets or seeds differ or a cell is in two of them */
export function mergeResults(parts: readonly Results[]): Results {
  const [first, ...rest] = parts;
  if (first === undefined) throw new ResultsError('no results were given');
  const cells = [...first.cells];
  for (const part of rest) {
    for (const field of ['seed', 'trials', 'budget'] as const) {
      if (part[field] !== first[field])
        throw new ResultsError(
          `results with ${field} ${part[field]} and ${field} ${first[field]} do not go together`,
        );
    }
    for (const cell of part.cells) {
      if (cellOf(first, cell.subject, cell.strategy) !== undefined)
        throw new ResultsError(`${cell.strategy} on ${cell.subject} is in two of the results`);
      cells.push(cell);
    }
  }
  return { ...first, cells };
}
