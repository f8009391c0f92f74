/**
 * The written list: differences between a recording and the model that are none of the model's errors. An entry may
 * stand for what a recording cannot determine, or for behaviour outside the model, with its reason. docs/conformance.md
 * shows it; the share of compared values that it covers is part of every report and may not exceed `MAX_ALLOWED_SHARE`.
 */
import type { Allowing, Difference, Kind } from './compare/difference.ts';

export const MAX_ALLOWED_SHARE = 0.03;

export interface AllowedEntry {
  readonly id: string;
  readonly kind: Kind;
  /** Matches the whole field of a difference. */
  readonly field: RegExp;
  /** Matches what the recording says, if that matters. */
  readonly expected?: RegExp;
  /** Matches what the model says, if that matters. */
  readonly actual?: RegExp;
  readonly cause: 'not determined by a recording' | 'outside the model';
  readonly reason: string;
}

export const ALLOWED: readonly AllowedEntry[] = [];

export const allowing: Allowing = (difference: Difference) =>
  ALLOWED.find(
    ({ kind, field, expected, actual }) =>
      kind === difference.kind &&
      field.test(difference.field) &&
      (expected === undefined || expected.test(difference.expected)) &&
      (actual === undefined || actual.test(difference.actual)),
  )?.id;
