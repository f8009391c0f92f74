import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRecording } from '../../src/conform/load.ts';
import { fileNamed } from '../conform/fixtures.ts';
import { cli } from './run-cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'splitstorm-conform-'));
const N07 = fileNamed('orig-link', 'n07-alias-1g-nx-partial-flush');
const T01 = fileNamed('orig-link', 't01-2m-single');
const lastLine = (text: string): string | undefined => text.trimEnd().split('\n').at(-1);

interface ConformJson {
  readonly conforms: boolean;
  readonly recordings: ReadonlyArray<{
    readonly name: string;
    readonly engine: string;
    readonly differences: ReadonlyArray<{ readonly after: string; readonly kind: string }>;
  }>;
}

describe('conform', () => {
  it('says that recordings agree, and ends with the line for scripts', async () => {
    const { status, stdout, stderr } = await cli(['conform', T01, N07]);
    expect(stderr).toBe('');
    expect(stdout).toContain('By kind of value');
    expect(lastLine(stdout)).toBe('SUCCESS recordings=2 conform=2 differ=0');
    expect(status).toBe(0);
  });

  it('shows the first difference decoded, with the operation it follows, in words and in JSON', async () => {
    const file = join(directory, 'out.json');
    const { status, stdout } = await cli(['conform', N07, '--variant', 'p2', '--json', file]);
    expect(stdout).toContain('after     operation 12 (clear_dirty_log of slot 1, 64 pages from 0');
    expect(stdout).toContain('kernel    nothing more\n    model     TLB flush');
    expect(lastLine(stdout)).toBe('FAILURE recordings=1 conform=0 differ=1');
    expect(status).toBe(1);
    const result = JSON.parse(readFileSync(file, 'utf8')) as ConformJson;
    expect(result.conforms).toBe(false);
    expect(result.recordings[0]).toMatchObject({ name: 'n07-alias-1g-nx-partial-flush', engine: 'p2' });
    expect(result.recordings[0]!.differences.map(({ kind }) => kind)).toContain('flushes');
  });

  it('writes a recording of the model that compares equal to the kernel’s', async () => {
    const models = join(directory, 'models');
    const written = await cli(['conform', T01, '--write', models, '--quiet']);
    expect([written.status, written.stdout, written.stderr]).toEqual([0, '', '']);
    const model = join(models, 't01-2m-single.orig-link.model.json');
    expect(loadRecording(model).recording.kernel.release).toBe('splitstorm');
    const { status, stdout } = await cli(['conform', '--diff', T01, model]);
    expect(stdout).toContain('Nothing differs in');
    expect(status).toBe(0);
  });

  it('says in words that a kernel flushes at each split and the other does not', async () => {
    const [one, two] = [
      fileNamed('orig-link', 'n17-topup-desc'),
      fileNamed('debian-stock', 'n17-topup-desc'),
    ];
    const { status, stdout } = await cli(['conform', '--diff', one, two]);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(
      'Where the nested MMU splits huge pages, orig-link does not flush TLBs for them (0 flushes in 15 splits); ' +
        'debian-stock flushes TLBs at each split (15 flushes in 15 splits).',
    );
    expect(status).toBe(1);
  });
});

describe('conform refuses in one line', () => {
  const broken = join(directory, 'broken.json');
  writeFileSync(broken, '{"format": 1, "name"');

  it.each([
    [['conform', broken], /broken\.json: no JSON, or cut short: /],
    [['conform', T01, '--variant', 'p9'], /there is no variant p9; did you mean p0\?/],
    [['conform', T01, '--write', join(broken, 'x')], /--write: .*broken\.json/],
    [['conform', '--diff', T01], /--diff: needs two recordings, 1 given/],
    [['conform', T01, '--dif'], /unknown option or argument: dif; did you mean --diff\?/],
  ])('%j', async (args, says) => {
    const { status, stdout, stderr } = await cli(args);
    expect(stderr).toMatch(says);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect([status, stdout]).toEqual([2, '']);
  });
});
