import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { targetOf } from '../../src/cli/target.ts';
import { MAX_SCHEDULE_BYTES, ScheduleFileError } from '../../src/explore/schedule-reader.ts';
import { TokenError } from '../../src/explore/token.ts';

const TOKEN = 'S1.nx-partial-reuse~never-flush-on-reuse~burst=4~idle=2~without=D24.BgAAGis8TdIJhwPWdZNHvu8';
const GOLDEN = fileURLToPath(new URL('../fixtures/schedules/golden-1.schedule', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'splitstorm-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file with this content. */
function written(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('what replay, shrink and explain are given', () => {
  it('is a schedule file where it is the path of one', () => {
    const target = targetOf(GOLDEN)!;
    expect(target.schedule).toBe(1234);
    expect(target.idle).toEqual([2]);
    expect(target.plan).toEqual({ overrides: target.file!.overrides });
    expect(target.args).toEqual([
      'nx-partial-reuse',
      '--vcpus=3',
      '--variant=p2+./my ideas/late-flush.ts',
      '--seed=a seed',
      '--without=D24',
    ]);
  });

  it('is a scenario where it is the name of one, a module, an option, or missing', () => {
    for (const word of [
      'nested-migration',
      './mine.ts',
      'scenarios/enospc.ts',
      '--seed',
      'nonsense',
      undefined,
    ])
      expect(targetOf(word)).toBeUndefined();
  });

  it.each([
    ['a damaged token', TOKEN, /checksum is wrong|damaged/],
    ['a shortened token', TOKEN.slice(0, 40), /^token: /],
    ['an old token', TOKEN.replace('S1', 'S0'), /^token: it has format 0, of an older version/],
    ['a future token', TOKEN.replace('S1', 'S12'), /^token: it has format 12, of a newer version/],
    [
      "another program's token",
      '910102ccdedf9592aba2afd70104',
      /^token: "910102\w+" does not begin with S1\.$/,
    ],
    ['a token in lower case', TOKEN.toLowerCase(), /^token: .* does not begin with S1\.$/],
  ])('is refused if it is %s', (_, word, message) => {
    expect(() => targetOf(word)).toThrow(TokenError);
    expect(() => targetOf(word)).toThrow(message);
    expect(() => targetOf(word)).toThrow(/^[^\n]+$/);
  });

  it.each([
    ['missing', 'none.schedule', 'there is no such file'],
    ['a folder', folder, 'it is no regular file'],
    ['a device', '/dev/zero', 'it is no regular file'],
    ['cut off', written('cut.schedule', readFileSync(GOLDEN).subarray(0, 500)), 'it was cut off'],
    ['something else', written('else.schedule', 'hello'), 'it is no schedule file'],
    ['empty', written('empty.schedule', ''), 'it is no schedule file'],
    [
      'not UTF-8',
      written('latin1.schedule', Buffer.from('splitstorm-schedule 1\nscenario b\u00fc\n', 'latin1')),
      'it is not UTF-8',
    ],
  ])('is refused if it is a file that is %s', (_, word, message) => {
    expect(() => targetOf(word)).toThrow(ScheduleFileError);
    expect(() => targetOf(word)).toThrow(`schedule file ${word}: ${message}`);
    expect(() => targetOf(word)).toThrow(/^[^\n]+$/);
  });

  it('is refused unread if it is a huge file', () => {
    const path = written('huge.schedule', '');
    truncateSync(path, 2 ** 40);
    expect(() => targetOf(path)).toThrow(`it has ${2 ** 40} bytes, at most ${MAX_SCHEDULE_BYTES} are read`);
  });
});
