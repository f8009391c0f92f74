// A controlled run of a scenario in the format of the recordings.
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRecording } from '../../src/conform/load.ts';
import { cli } from '../cli/run-cli.ts';

const file = (name: string): string => join(mkdtempSync(join(tmpdir(), 'conform-')), name);
const SIZE = ['--table-bits', '9', '--format', 'npt', '--memory', '4M'];

describe('--record-conformance', () => {
  it('writes what the loader takes, the same for explore and replay', async () => {
    const [explored, replayed] = [file('a.json'), file('b.json')];
    const run = ['nested-migration', '--seed', '1', ...SIZE, '--quiet', '--record-conformance'];
    await cli(['explore', ...run, explored, '--schedules', '1']);
    await cli(['replay', ...run, replayed, '--no-trace']);
    const { recording } = loadRecording(explored);
    expect(Object.keys(recording.snapshots)).toEqual(['before', 'after']);
    expect(recording.events.filter(({ type }) => type === 'kvm_mmu_split_huge_page').length).toBeGreaterThan(
      0,
    );
    expect(readFileSync(replayed, 'utf8')).toBe(readFileSync(explored, 'utf8'));
  }, 60_000);

  it.each<[string[], string]>([
    [['--format', 'npt'], "tables have 4 entries, a recording's have 512: give --table-bits 9"],
    [['--format', 'ept', '--table-bits', '9', '--memory', '4M'], 'SPTEs are in EPT format'],
  ])(
    'is refused for a machine the format cannot tell: %s',
    async (args, says) => {
      const result = await cli([
        'explore',
        '--schedules',
        '1',
        ...args,
        '--record-conformance',
        file('c.json'),
      ]);
      expect(result.status).toBe(2);
      expect(result.stderr).toContain(says);
    },
    60_000,
  );
});
