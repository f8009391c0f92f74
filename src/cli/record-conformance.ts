/** `--record-conformance`: a controlled run in the format of the recordings, for explore and replay. */
import { writeFileSync } from 'node:fs';
import { recordConformance } from '../conform/record-conformance.ts';
import type { RunSpec } from '../campaign/run-spec.ts';
import { untellable } from '../conform/record-run.ts';
import { recordingText } from '../conform/write.ts';
import type { Machine } from '../scenario/build.ts';
import { checkWritable, type Output } from './output.ts';
import { textOption, UsageError } from './usage.ts';

export const RECORD_CONFORMANCE = {
  'record-conformance': {
    type: 'string',
    requiresArg: true,
    group: 'Run:',
    describe: 'write the run in the format of the recordings of a kernel, for conform --diff',
  },
} as const;

/** Fails before the run, not after it. @throws UsageError */
export function checkRecordConformance(args: Readonly<Record<string, unknown>>, machine: Machine): void {
  const path = textOption(args, 'record-conformance');
  if (path === undefined) return;
  const why = untellable(machine);
  if (why !== undefined) throw new UsageError(`--record-conformance: ${why}`);
  checkWritable(path, 'record-conformance');
}

/** Writes the run to `path`, if one was given, and says so on standard error. */
export function writeConformance(output: Output, path: string | undefined, spec: RunSpec): void {
  if (path === undefined) return;
  const recording = recordConformance(spec);
  writeFileSync(path, recordingText(recording));
  output.note(`recording ${path}: ${recording.events.length} events, 2 snapshots`);
}
