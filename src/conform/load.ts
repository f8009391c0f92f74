/** Reading recordings from files: a bounded amount, plain or compressed. */
import { closeSync, fstatSync, openSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { parseRecordingText, RecordingError, type ParsedRecording } from './parse.ts';

/** No recording of the machines that KVM people use comes near it; more is not read. */
export const MAX_FILE_BYTES = 256 * 2 ** 20;

export interface LoadedRecording extends ParsedRecording {
  readonly file: string;
}

const tooLarge = (limit: number): string => `a recording has at most ${limit} bytes`;

/** @throws RecordingError */
function readBounded(file: string, limit: number): Buffer {
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
    if (stat.size > limit) throw new RecordingError(`${file}: ${stat.size} bytes; ${tooLarge(limit)}`);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** @throws RecordingError if it is damaged, or larger than a recording may be once it is unpacked */
function unpack(file: string, bytes: Buffer, limit: number): Buffer {
  const options = { maxOutputLength: limit };
  try {
    if (file.endsWith('.br')) return brotliDecompressSync(bytes, options);
    if (file.endsWith('.gz')) return gunzipSync(bytes, options);
    return bytes;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw new RecordingError(`${file}: unpacked: ${tooLarge(limit)}`);
    throw new RecordingError(
      `${file}: damaged, or not compressed as its name says: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

/**
 * @param limit of its bytes, packed and unpacked
 * @throws RecordingError naming the file, and the field if the JSON is sound
 */
export function loadRecording(file: string, limit = MAX_FILE_BYTES): LoadedRecording {
  const text = unpack(file, readBounded(file, limit), limit).toString('utf8');
  try {
    return { file, ...parseRecordingText(text) };
  } catch (error) {
    if (error instanceof RecordingError)
      throw new RecordingError(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}

const RECORDING_FILE = /\.json(\.br|\.gz)?$/;

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return filesBelow(path);
      return entry.isFile() && RECORDING_FILE.test(entry.name) ? [path] : [];
    });
}

/**
 * The file, or those of a directory and the directories in it: `*.json`, also compressed (`.br`, `.gz`).
 * @throws RecordingError if there is nothing
 */
export function recordingFiles(path: string): string[] {
  let directory: boolean;
  try {
    directory = statSync(path).isDirectory();
  } catch (error) {
    throw new RecordingError(`${path}: cannot be read: ${(error as NodeJS.ErrnoException).code}`, {
      cause: error,
    });
  }
  if (!directory) return [path];
  const files = filesBelow(path);
  if (files.length === 0)
    throw new RecordingError(`${path}: holds no recording (*.json, *.json.br, *.json.gz)`);
  return files;
}
