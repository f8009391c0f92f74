/** Wrong usage: one clear line and exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What was asked for cannot be done, through no fault of the user's: one clear line and exit status 3. */
export class HarnessError extends Error {
  override readonly name = 'HarnessError';
}

/** Names of errors that are the user's to mend. */
const USER_ERRORS = new Set([
  'UsageError',
  'ParameterError',
  'ScenarioError',
  'ArenaError',
  'StrategyError',
  'TokenError',
  'RecordingError',
  'NotPerformable',
  'ScheduleFileError',
]);

/** By name and not by class: a user's module may have its own copy of ours. */
export const isUserError = (error: unknown): error is Error =>
  error instanceof Error && USER_ERRORS.has(error.name);

/** An option that was declared as a string; undefined if it was not given. */
export function textOption(args: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = args[name];
  return typeof value === 'string' ? value : undefined;
}
