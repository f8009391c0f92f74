/** How much `explore` may do, from its options. */
import { parseCount, parseDuration } from './duration.ts';
import { textOption, UsageError } from './usage.ts';

export interface Budget {
  readonly schedules: number;
  readonly from: number;
  /** Infinity with --keep-going. */
  readonly maxFailures: number;
  readonly durationMs: number | undefined;
  /** A probability, above 0. */
  readonly stopWhenCovered: number | undefined;
  readonly workers: number | 'auto';
}

/** Timers take no more. */
const MAX_DURATION_MS = 2 ** 31 - 1;
const MAX_WORKERS = 256;

/** @throws UsageError */
export function parseBudget(argv: Readonly<Record<string, unknown>>): Budget {
  const schedules = parseCount(argv['schedules'], 'schedules', 1, 2 ** 31 - 1);
  const from = parseCount(argv['from'], 'from', 0, 2 ** 31 - 1);
  const given = textOption(argv, 'max-failures');
  const keepGoing = argv['keep-going'] === true;
  if (keepGoing && given !== undefined)
    throw new UsageError('--keep-going and --max-failures: give one of them, not both');
  const duration = textOption(argv, 'duration');
  const durationMs = duration === undefined ? undefined : parseDuration(duration, 'duration');
  if (durationMs !== undefined && (durationMs < 1 || durationMs > MAX_DURATION_MS))
    throw new UsageError(`--duration: ${duration} given, allowed is 1ms to ${MAX_DURATION_MS}ms (24 days)`);
  const covered = textOption(argv, 'stop-when-covered');
  const stopWhenCovered = covered === undefined ? undefined : Number(covered);
  if (stopWhenCovered !== undefined && !(stopWhenCovered > 0 && stopWhenCovered <= 1))
    throw new UsageError(
      `--stop-when-covered: ${JSON.stringify(covered)} given, allowed is a probability above 0 and at most 1`,
    );
  return {
    schedules,
    from,
    maxFailures: keepGoing ? Infinity : given === undefined ? 1 : parseCount(given, 'max-failures', 1, 1e6),
    durationMs,
    stopWhenCovered,
    workers: parseWorkers(argv['workers']),
  };
}

function parseWorkers(given: unknown): number | 'auto' {
  if (given === 'auto') return given;
  const workers = typeof given === 'string' && given !== '' ? Number(given) : Number.NaN;
  if (Number.isInteger(workers) && workers >= 1 && workers <= MAX_WORKERS) return workers;
  throw new UsageError(
    `--workers: ${JSON.stringify(given)} given, allowed is an integer from 1 to ${MAX_WORKERS}, or auto`,
  );
}
