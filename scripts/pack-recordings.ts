// Makes the fixtures of the conformance tests from full recordings: checks each file and packs it without loss.
// usage: node --import tsx scripts/pack-recordings.ts IN OUT
//   IN   a directory of recordings (*.json), with one directory below it for each kernel
//   OUT  where to put them, by the same names with .br

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { brotliCompressSync, constants } from 'node:zlib';
import { loadRecording, recordingFiles } from '../src/conform/load.ts';
import { recordingText } from '../src/conform/write.ts';

/** What all of them together may take in the repository. */
const MAX_TOTAL = 6 * 2 ** 20;

const [input, output, ...rest] = process.argv.slice(2);
if (input === undefined || output === undefined || rest.length > 0) {
  console.error('usage: pack-recordings IN OUT');
  process.exit(2);
}
let total = 0;
const files = recordingFiles(input);
for (const file of files) {
  const raw = readFileSync(file);
  const { recording } = loadRecording(file);
  // Nothing may be lost but the spelling of the JSON.
  if (!isDeepStrictEqual(JSON.parse(raw.toString('utf8')), JSON.parse(recordingText(recording))))
    throw new Error(`${file}: holds more than the schema of a recording keeps`);
  const packed = brotliCompressSync(raw, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
    },
  });
  const target = join(output, `${relative(input, file)}.br`);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, packed);
  total += packed.length;
}
if (total > MAX_TOTAL) throw new Error(`${total} bytes; at most ${MAX_TOTAL} are allowed`);
console.log(`${files.length} recordings, ${total} bytes`);
