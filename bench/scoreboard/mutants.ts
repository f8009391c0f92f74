/**
 * The mutation score (explorer notes 3.7): sixteen ways to break the algorithm, those that exist as variants, and whether any
 * strategy finds them.
 */
import { formatCount } from '../../src/report/text.ts';
import type { Grid } from './grid.ts';
import { names, cellOf, type Results } from './results.ts';

interface Mutant {
  readonly id: string;
  readonly what: string;
  /** The variant that is this mutant; absent if there is none. */
  readonly variant?: string;
}

const MUTANTS: readonly Mutant[] = [
  { id: 'm1', what: 'no restart after -EAGAIN', variant: 'no-restart-after-eagain' },
  { id: 'm2', what: 'restart at the old cursor' },
  { id: 'm3', what: 'rwlock_needbreak ignored' },
  { id: 'm4', what: 'need_resched ignored' },
  { id: 'm5', what: 'top up to one less than the minimum', variant: 'one-descriptor-short' },
  { id: 'm6', what: 'top up under the lock' },
  {
    id: 'm7',
    what: 'no flush after a large SPTE is replaced, where the child is reused',
    variant: 'never-flush-on-reuse',
  },
  { id: 'm8', what: 'flush before the store' },
  { id: 'm9', what: 'non-atomic install of an SPTE' },
  { id: 'm10', what: 'child linked before it is filled', variant: 'link-before-fill' },
  { id: 'm11', what: 'page not validated again after the lock is retaken' },
  { id: 'm12', what: 'children not counted in the reverse maps' },
  { id: 'm13', what: 'no fence at the beginning of a lockless walk (needs TSO)' },
  { id: 'm14', what: 'needbreak looks at readers only' },
  { id: 'm15', what: 'wake-up lost in the rwlock' },
  { id: 'm16', what: 'non-atomic nobjs-- on the shared cache' },
];

/** Undefined if no mutant was measured. */
export function mutationGrid(results: Results): Grid | undefined {
  const strategies = names(results, 'strategy');
  const rows = MUTANTS.flatMap(({ id, what, variant }) => {
    if (variant === undefined) return [];
    const cells = strategies.flatMap((strategy) => cellOf(results, variant, strategy) ?? []);
    if (cells.length === 0) return [];
    const killers = cells.filter((cell) => cell.schedules.some((schedules) => schedules !== null));
    const slowest = Math.max(
      ...cells.flatMap((cell) => cell.schedules.map((schedules) => schedules ?? results.budget)),
    );
    return [[id, what, variant, `${killers.length} of ${cells.length}`, formatCount(slowest)]];
  });
  if (rows.length === 0) return undefined;
  const killed = rows.filter((row) => !row[3]!.startsWith('0 ')).length;
  const missing = MUTANTS.filter(({ variant }) => variant === undefined).map(({ id }) => id);
  return {
    title: 'Mutation score',
    head: ['', 'mutant', 'variant', 'found by', 'schedules, at most'],
    rows,
    notes: [
      `${killed} of ${rows.length} killed within ${formatCount(results.budget)} schedules; no variant: ${missing.join(', ')}`,
    ],
  };
}
