/** What operations returned, and the counters at each snapshot. */
import type { Operation } from '../operations.ts';
import type { Recording } from '../recording.ts';
import type { Counters } from '../snapshots.ts';
import type { Tally } from './difference.ts';

/** Fields that say what was asked for, not what came of it: recordings of one experiment have them in common. */
const RESULTS = new Set([
  'rc',
  'completed',
  'l2_exit_code',
  'l2_exit_info1',
  'l2_exit_info2',
  'dirty_runs',
  'n_runs',
  'dirty_total',
]);
/** Totals that depend on when the scheduler or somebody else wanted the CPU or the lock. */
const TIMED_COUNTS = new Set(['lock_yields_write', 'lock_yields_read']);

function resultsOf(operation: Operation): Map<string, string> {
  const results = new Map<string, string>();
  for (const [field, value] of Object.entries(operation)) {
    if (RESULTS.has(field)) results.set(field, JSON.stringify(value));
    if (field !== 'counts') continue;
    for (const [name, total] of Object.entries(value as object)) {
      if (TIMED_COUNTS.has(name)) continue;
      if (typeof total === 'number') results.set(`counts.${name}`, String(total));
      else
        for (const [errno, times] of Object.entries(total as object))
          results.set(`counts.${name}.${errno}`, String(times));
    }
  }
  return results;
}

/** Totals of probes, which are absent where the probes cannot be seen: then there is nothing to compare. */
const PROBED_COUNTS = new Set(['topups', 'topups_cache_low', 'topups_resched_only', 'links_with_flush']);

function compareResults(tally: Tally, expected: Operation, actual: Operation, inlined: boolean): void {
  const [a, b] = [resultsOf(expected), resultsOf(actual)];
  for (const field of new Set([...a.keys(), ...b.keys()])) {
    const name = field.replace('counts.', '');
    if (PROBED_COUNTS.has(name) && (inlined || !a.has(field) || !b.has(field))) continue;
    const none = field.startsWith('counts.split_events_by_errno.') ? '0' : 'absent';
    tally.value({
      kind: 'results',
      field,
      op: expected.op,
      where: field,
      expected: a.get(field) ?? none,
      actual: b.get(field) ?? none,
    });
  }
}

function flatten(counters: Counters): Map<string, string> {
  const flat = new Map<string, string>();
  for (const [name, value] of Object.entries(counters))
    if (typeof value === 'number') flat.set(name, String(value));
    else for (const [field, count] of Object.entries(value)) flat.set(`${name}.${field}`, String(count));
  return flat;
}

export function compareOperations(
  tally: Tally,
  [expected, actual]: readonly [Recording, Recording],
  inlined: boolean,
): void {
  const others = new Map(actual.operations.map((operation) => [operation.op, operation]));
  for (const operation of expected.operations) {
    const other = others.get(operation.op);
    if (other === undefined || other.type !== operation.type)
      tally.differs({
        kind: 'results',
        field: 'type',
        op: operation.op,
        where: 'the operation itself',
        expected: operation.type,
        actual: other?.type ?? 'no such operation',
      });
    else compareResults(tally, operation, other, inlined);
    if (operation.type !== 'snapshot') continue;
    const { op, tag } = operation;
    const [a, b] = [flatten(expected.stats[tag] ?? {}), flatten(actual.stats[tag] ?? {})];
    for (const field of new Set([...a.keys(), ...b.keys()]))
      tally.value({
        kind: 'counters',
        field,
        op,
        snapshot: tag,
        where: field,
        expected: a.get(field) ?? 'absent',
        actual: b.get(field) ?? 'absent',
      });
  }
}
