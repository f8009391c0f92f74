import { mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadRecording, MAX_FILE_BYTES, recordingFiles } from '../../src/conform/load.ts';
import { parseRecordingText, RecordingError } from '../../src/conform/parse.ts';
import { recordingText } from '../../src/conform/write.ts';
import { fileNamed, RECORDINGS } from './fixtures.ts';

const TEXT = brotliDecompressSync(readFileSync(fileNamed('orig-link', 'n08-alias-2m-nx-partial'))).toString();
const directory = mkdtempSync(join(tmpdir(), 'splitstorm-conform-'));

/** The recording with one part replaced by something else. */
function broken(path: string, value: unknown): string {
  const whole = JSON.parse(TEXT) as Record<string, unknown>;
  const keys = path.split('.');
  let at: Record<string, unknown> = whole;
  for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
  if (value === undefined) delete at[keys.at(-1)!];
  else at[keys.at(-1)!] = value;
  return JSON.stringify(whole);
}

function complaint(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof RecordingError) return error.message;
    throw error;
  }
  return 'none';
}

const long = (length: number): unknown[] => Array.from({ length }, () => null);

const BROKEN: ReadonlyArray<readonly [path: string, value: unknown, says: RegExp]> = [
  ['format', 2, /^format: 2; this program reads format 1$/],
  ['format', undefined, /^format: nothing; this program reads format 1$/],
  ['name', undefined, /^name: .*but it holds nothing$/],
  ['setup.vcpus', '1', /^setup\.vcpus: .*expected (int|number).*but it holds "1"$/],
  ['setup.vcpus', 100_000, /^setup\.vcpus: .*64.*but it holds 100000$/],
  ['setup.memslots.1.size', 1e300, /^setup\.memslots\[1\]\.size: /],
  ['setup.memslots.1.backing', '16m', /^setup\.memslots\[1\]\.backing: .*"4k".*but it holds "16m"$/],
  ['setup.npt12_roots.0.mappings.1.count', 2 ** 40, /^setup\.npt12_roots\[0\]\.mappings\[1\]\.count: /],
  ['setup.npt12_roots.0.mappings.1', undefined, /^setup\.npt12_roots\[0\]\.mappings\[1\]: /],
  ['setup.memslots.0.id', 3, /^setup\.memslots: slot 0, the work area, is not there at gpa 0$/],
  ['setup.memslots.1.id', 0, /^setup\.memslots\[1\]\.id: 0 is the id of memslots\[0\] too$/],
  ['setup.memslots.1.size', 5000, /^setup\.memslots\[1\]\.size: 5000 is no multiple of 4096$/],
  ['setup.memslots.1.npages', 7, /^setup\.memslots\[1\]\.npages: 7, but size is 4194304$/],
  ['setup.memslots.0.size', 2 ** 31, /^setup\.memslots\[1\]\.gpa: the slot overlaps memslots\[0\]$/],
  ['setup.npt12_roots.0.table_gpa', 2 ** 30, /\[0\]\.table_gpa: 1073741824 is no page of slot 0$/],
  [
    'setup.npt12_roots.0.mappings.1.l1_gpa',
    4096,
    /mappings\[1\]\.l1_gpa: 4096 is no multiple of 2097152 \(level 2\)$/,
  ],
  ['operations.3.type', 'npt12_unmap', /^operations\[3\]\.type: .*but it holds "npt12_unmap"$/],
  ['operations.5.root', 'Z', /^operations\[5\]\.root: there is no root Z in setup\.npt12_roots$/],
  ['operations.5.vcpu', 7, /^operations\[5\]\.vcpu: 7, but setup\.vcpus is 1$/],
  ['operations.9.slot', 4, /^operations\[9\]\.slot: there is no slot 4 in setup\.memslots$/],
  ['operations.8.tag', 'later', /^operations\[8\]\.tag: there is no snapshot "later"$/],
  ['operations.8.op', 3, /^operations\[8\]\.op: 3 comes after 8$/],
  ['snapshots.after.shadow_pages.0.gfn', -1, /^snapshots\.after\.shadow_pages\[0\]\.gfn: .*but it holds -1$/],
  ['snapshots.after.shadow_pages.0.id', 'S8', /^snapshots\.after\.shadow_pages\[2\]\.id: S8 occurs twice$/],
  ['snapshots.after.shadow_pages.0.entries.0.child', 'S77', /entries\[0\]\.child: there is no page S77/],
  ['snapshots.after.shadow_pages.0.entries.0.i', 512, /entries\[0\]\.i: .*511.*but it holds 512$/],
  [
    'snapshots.after.shadow_pages.1.entries.5.n',
    505,
    /entries\[5\]\.n: the run ends at entry 512, after 511$/,
  ],
  ['snapshots.after.shadow_pages.1.entries.5.step', undefined, /entries\[5\]\.step: missing in a run$/],
  ['snapshots.after.shadow_pages.1.entries.1.spte', 'xyz', /entries\[1\]\.spte: must be 1 to 16 .*"xyz"$/],
  ['snapshots.after.shadow_pages', long(200_001), /^snapshots\.after\.shadow_pages: .*200000/],
  [
    'snapshots.after.slots.1.rmaps.1.0.n',
    513,
    /rmaps\.1\[0\]\.n: the run of list\[0\] ends after entry 511$/,
  ],
  ['stats.after', undefined, /^stats\.after: missing$/],
  ['events.0.gfn', 'many', /^events\[0\]\.gfn: .*but it holds "many"$/],
  ['events.3', 17, /^events\[3\]: /],
  ['events', {}, /^events: .*array.*but it holds \{\}$/],
];

describe('a recording that is not sound', () => {
  it.each(BROKEN)('is refused with the path of the field: %s', (path, value, says) => {
    const text = complaint(() => parseRecordingText(broken(path, value)));
    expect(text).toMatch(says);
    expect(text).not.toContain('\n');
  });

  it.each([
    ['cut short', TEXT.slice(0, TEXT.length / 2), /^no JSON, or cut short: /],
    ['empty', '', /^no JSON, or cut short: /],
    ['a list', '[]', /^a recording is a JSON object, but this is \[\]$/],
    ['null', 'null', /^a recording is a JSON object, but this is null$/],
    ['nested without end', '['.repeat(200_000), /^no JSON, or cut short: /],
  ])('is refused if it is %s', (_what, text, says) => {
    expect(complaint(() => parseRecordingText(text))).toMatch(says);
  });

  it('does not show more than a little of what it holds', () => {
    expect(
      complaint(() => parseRecordingText(broken('setup.l1_cr4', 'y'.repeat(100_000)))).length,
    ).toBeLessThan(300);
  });
});

describe('events of types that nobody knows', () => {
  it('are counted, and no reason to refuse', () => {
    const whole = JSON.parse(TEXT) as { events: unknown[] };
    whole.events.push({ t: 9, op: 1, type: 'kvm_new' }, { type: 'kvm_new' }, { type: 'kvm_other', x: [1] });
    const { recording, unknownEvents } = parseRecordingText(JSON.stringify(whole));
    expect([...unknownEvents]).toEqual([
      ['kvm_new', 2],
      ['kvm_other', 1],
    ]);
    expect(recording.events).toEqual(parseRecordingText(TEXT).recording.events);
  });
});

describe('a file', () => {
  it('is read plain and compressed alike', () => {
    const plain = join(directory, 'plain.json');
    const zipped = join(directory, 'zipped.json.gz');
    writeFileSync(plain, TEXT);
    writeFileSync(zipped, gzipSync(TEXT));
    const expected = loadRecording(fileNamed('orig-link', 'n08-alias-2m-nx-partial')).recording;
    expect(loadRecording(plain).recording).toEqual(expected);
    expect(loadRecording(zipped).recording).toEqual(expected);
  });

  it('keeps all that the kernel said when it is written again', () => {
    expect(JSON.parse(recordingText(parseRecordingText(TEXT).recording))).toEqual(JSON.parse(TEXT));
  });

  it('is refused if it is too large, unread', () => {
    const file = join(directory, 'large.json');
    writeFileSync(file, '');
    truncateSync(file, MAX_FILE_BYTES + 1);
    expect(complaint(() => loadRecording(file))).toMatch(
      /large\.json: 268435457 bytes; a recording has at most/,
    );
  });

  it('is refused if it is too large unpacked', () => {
    const file = join(directory, 'bomb.json.gz');
    writeFileSync(file, gzipSync(Buffer.alloc(2 ** 20)));
    expect(complaint(() => loadRecording(file, 2 ** 16))).toMatch(
      /bomb\.json\.gz: unpacked: a recording has at most 65536/,
    );
  });

  it('is refused if it is damaged, missing, or no file', () => {
    const file = join(directory, 'damaged.json.br');
    writeFileSync(file, 'not brotli at all, by no means');
    expect(complaint(() => loadRecording(file))).toMatch(/damaged\.json\.br: damaged, or not compressed/);
    expect(complaint(() => loadRecording(join(directory, 'none.json')))).toMatch(
      /none\.json: cannot be read: ENOENT/,
    );
    expect(complaint(() => loadRecording(directory))).toMatch(/: not a file$/);
  });

  it('is named in the complaint', () => {
    const file = join(directory, 'wrong.json');
    writeFileSync(file, broken('setup.vcpus', null));
    expect(complaint(() => loadRecording(file))).toContain('wrong.json: setup.vcpus: ');
  });
});

describe('a directory', () => {
  it('stands for all recordings in it and below it', () => {
    const files = recordingFiles(RECORDINGS);
    expect(files.length).toBe(81);
    expect(files).toEqual(files.toSorted());
  });

  it('is refused if it holds none', () => {
    const empty = mkdtempSync(join(tmpdir(), 'splitstorm-conform-'));
    expect(complaint(() => recordingFiles(empty))).toMatch(/holds no recording/);
    expect(complaint(() => recordingFiles(join(empty, 'x')))).toMatch(/cannot be read: ENOENT/);
  });
});
