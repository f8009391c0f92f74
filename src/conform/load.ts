/** Reading recordings from files: a bounded amount, plain or compressed. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { parseRecordingText, RecordingError, type ParsedRecording } from './parse.ts';

/** No recording of the machines that KVM people use comes near it; more is not read. */
export const MAX_FILE_BYTES = 256 * 2 ** 20;

export interface LoadedRecording extends ParsedRecording {
  readonly file: string;
}

/** @throws RecordingError */
function readBounded(file: string): string {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    throw new RecordingError(`${file}: cannot be read: ${(error as NodeJS.ErrnoException).code}`, {
      cause: error,
    });
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new RecordingError(`${file}: not a file`);
    if (stat.size > MAX_FILE_BYTES)
      throw new RecordingError(
        `${file}: ${stat.size} bytes; a recording has at most ${MAX_FILE_BYTES} (256 MiB)`,
      );
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/** @throws RecordingError naming the file, and the field if the JSON is sound */
export function loadRecording(file: string): LoadedRecording {
  const text = readBounded(file);
  try {
    return { file, ...parseRecordingText(text) };
  } catch (error) {
    if (error instanceof RecordingError)
      throw new RecordingError(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}
