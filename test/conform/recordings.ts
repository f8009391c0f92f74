/** Every recording of a kernel, held against the model: one test for each file. */
import { basename } from 'node:path';
import { expect, it } from 'vitest';
import { MAX_ALLOWED_SHARE } from '../../src/conform/allowed.ts';
import { operationBefore } from '../../src/conform/describe.ts';
import { loadRecording, recordingFiles } from '../../src/conform/load.ts';
import { allowedShare, firstDifference, judge } from '../../src/conform/verdict.ts';
import { RECORDINGS } from './fixtures.ts';

export function recordingTests(kernel: string, engine: string): void {
  it.each(recordingFiles(`${RECORDINGS}/${kernel}`).map((file) => [basename(file, '.json.br'), file]))(
    'the model does what the kernel did in %s',
    (_name, file) => {
      const verdict = judge(loadRecording(file));
      const first = firstDifference(verdict.tally);
      const after = first === undefined ? undefined : operationBefore(verdict.recording, first.op);
      // The difference itself says more than that there is one.
      expect({ first, after, troubles: verdict.troubles }).toEqual({
        first: undefined,
        after: undefined,
        troubles: [],
      });
      expect(verdict.conforms).toBe(true);
      expect(verdict.engine).toBe(engine);
      expect(allowedShare(verdict.tally.total())).toBeLessThan(MAX_ALLOWED_SHARE);
      expect([...verdict.unknownEvents]).toEqual([]);
    },
    60_000,
  );
}
