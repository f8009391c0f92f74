/** Durations on the command line: `500ms`, `10s`, `2m`, `1h`. */
import { UsageError } from './usage.ts';

const FACTORS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds. @throws UsageError */
export function parseDuration(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  if (match === null)
    throw new UsageError(`--${option}: "${text}" given, allowed is a duration such as 500ms, 10s, 2m or 1h`);
  return Number(match[1]) * FACTORS[match[2]!]!;
}

/** A whole number option. @throws UsageError */
export function parseCount(given: unknown, option: string, min: number, max: number): number {
  const value = typeof given === 'string' && given.trim() !== '' ? Number(given) : Number.NaN;
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new UsageError(
      `--${option}: ${JSON.stringify(given)} given, allowed is an integer from ${min} to ${max}`,
    );
  }
  return value;
}
