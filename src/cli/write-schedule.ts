/** Writing a schedule file, for explore, replay and shrink. */
import { writeFileSync } from 'node:fs';
import { runtimeOf, type RunSpec } from '../campaign/run-spec.ts';
import { recordSchedule } from '../campaign/schedule-files.ts';
import { formatSchedule } from '../explore/schedule-file.ts';
import { checkWritable, type Output } from './output.ts';
import { planText } from './run-options.ts';
import type { Chosen } from './scenario-options.ts';
import { textOption } from './usage.ts';

export const SCHEDULE_OUTPUT = {
  'write-schedule': {
    type: 'string',
    alias: 'o',
    requiresArg: true,
    group: 'Run:',
    describe: 'write the run as a schedule file, which replay, shrink and explain take',
  },
} as const;

/** Fails before the run, not after it. @throws UsageError */
export function checkScheduleOutput(args: Readonly<Record<string, unknown>>): void {
  const path = textOption(args, 'write-schedule');
  if (path !== undefined) checkWritable(path, 'write-schedule');
}

/** Writes the run to `path`, if one was given, and says so on standard error: standard output may be JSON. */
export function writeSchedule(
  output: Output,
  path: string | undefined,
  chosen: Pick<Chosen, 'scenarioName' | 'variants' | 'given'>,
  spec: RunSpec,
): void {
  if (path === undefined) return;
  const { file } = recordSchedule(runtimeOf(spec), { ...chosen, spec, foundBy: planText(spec.plan) });
  writeFileSync(path, formatSchedule(file));
  output.note(`schedule file ${path}: ${file.steps} steps, ${file.overrides.length} overrides`);
}
