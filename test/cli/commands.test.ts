import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CAST_KINDS } from '../../src/actors/context.ts';
import { parseOutcome } from '../../src/report/json.ts';
import { BINS, cli, cliProcess } from './run-cli.ts';

const SMALL = ['--memory', '64M', '--backing', '2m', '--vcpus', '2', '--repetitions', '1'];
const fixture = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/scenarios/${name}`, import.meta.url));

describe('run', () => {
  it('prints a report without colours when piped, and ends with the line for scripts', async () => {
    const { status, stdout, stderr } = await cliProcess(['run', 'two-roots', ...SMALL, '--seed', '7'], {
      env: { CI: 'true' },
    });
    expect(status).toBe(0);
    expect(stdout).toContain('run of two-roots: CLEAN');
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('SUCCESS verdict=clean violations=0 exit=0 seed=7');
    expect(stdout).not.toContain('\u001b');
    expect(stderr).toBe('');
  });

  it('writes JSON that follows its schema, alone on standard output', async () => {
    const { status, stdout } = await cliProcess(['run', 'two-roots', ...SMALL, '--json', '-']);
    const outcome = parseOutcome(stdout);
    expect(outcome.verdict).toBe('clean');
    expect(outcome.statistics.splits.ok).toBe(64);
    expect(status).toBe(outcome.exitStatus);
  });

  it('says nothing when quiet and clean, and still writes the file', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'splitstorm-')), 'out.json');
    const { status, stdout, stderr } = await cli(['run', 'two-roots', ...SMALL, '--quiet', '--json', file]);
    expect([status, stdout, stderr]).toEqual([0, '', '']);
    expect(parseOutcome(readFileSync(file, 'utf8')).kind).toBe('run');
  });

  it('ends in an orderly way at the first Ctrl-C and reports what it has', async () => {
    const { status, stdout, stderr } = await cliProcess(['run', '--repetitions', '0', '--duration', '1m'], {
      terminal: true,
      interruptOn: ['run nested-migration'],
    });
    expect(stderr).toContain('once more leaves at once');
    expect(stdout).toContain('Splitting');
    expect(status).toBe(130);
  });

  it('leaves at once at the second', async () => {
    const { status, stdout } = await cliProcess(['run', '--repetitions', '0', '--duration', '1m'], {
      terminal: true,
      interruptOn: ['run nested-migration', 'once more leaves at once'],
    });
    expect(status).toBe(130);
    expect(stdout).not.toContain('SUCCESS');
  });

  it('survives a reader that goes away', async () => {
    const status = await new Promise<number | null>((resolve) => {
      const child = spawn('sh', ['-c', `"${process.execPath}" "${BINS.package}" list | head -1`], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let stderr = '';
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      child.on('close', (code) => resolve(stderr === '' ? code : -1));
    });
    expect(status).toBe(0);
  });

  it.each(['clone', 'package'] as const)(
    "runs a user's own file with its own parameters, from a %s",
    async (from) => {
      const args = ['run', fixture('good.ts'), '--factor', '2', '--repetitions', '1', '--json', '-'];
      const { status, stdout } = await cliProcess(args, { from });
      expect(status).toBe(0);
      expect(parseOutcome(stdout).statistics.splits.ok).toBe(64);
    },
  );
});

describe('explore and replay', () => {
  it('find a bug from a seed, hand over the command that replays it, and that shows the same trace', async () => {
    const args = ['shadowed-tables', '--variant', 'skip-wrprot-if-not-writable', '--seed', '1'];
    const found = await cliProcess(['explore', ...args, '--json', '-']);
    expect(found.status).toBe(1);
    const outcome = parseOutcome(found.stdout);
    expect(outcome.violations[0]?.id).toBe('Q41');
    const again = outcome.reproduce.command.split(' ');
    expect(again.slice(0, 3)).toEqual(['npx', 'splitstorm', 'replay']);
    const first = await cli([...again.slice(2), '--json', '-']);
    const second = await cli([...again.slice(2), '--json', '-']);
    expect(first.status).toBe(1);
    const [a, b] = [parseOutcome(first.stdout), parseOutcome(second.stdout)];
    expect(a.violations[0]?.id).toBe('Q41');
    expect(a.traceHash).toBe(b.traceHash);
  });

  it('print one column per actor and mark the switches', async () => {
    const { status, stdout } = await cli([
      'replay',
      'alias-same-access',
      '--seed',
      '3',
      '--schedule',
      '5',
      '--last',
      '40',
    ]);
    expect(status).toBe(0);
    expect(stdout.split('\n')[0]).toMatch(/^step +migration +L2 vCPU 0 +L2 vCPU 1$/);
    expect(stdout).toMatch(/^ +--> L2 vCPU [01]/m);
  });

  it('give the same hash for the same seed and another for another', async () => {
    const hash = async (seed: string): Promise<string | null> =>
      parseOutcome(
        (await cli(['explore', 'two-roots', '--schedules', '50', '--seed', seed, '--json', '-'])).stdout,
      ).traceHash;
    const [a, b, c] = [await hash('x'), await hash('x'), await hash('y')];
    expect(a).toBe(b);
    expect(a).not.toBe(c);
  });
});

describe('list', () => {
  it('has every scenario, variant and check with a sentence', async () => {
    const { status, stdout } = await cli(['list', '--json']);
    expect(status).toBe(0);
    const lists = JSON.parse(stdout) as Record<string, { name: string; text: string }[]>;
    expect(lists['scenarios']!.map((entry) => entry.name)).toContain('nested-migration');
    expect(lists['cast']!.map((entry) => entry.name)).toEqual([...CAST_KINDS]);
    expect(lists['cast']!.find((entry) => entry.name === 'memslots')!.text).toMatch(
      /moves by weight: recreate 2, move 1, .*\(A18, /,
    );
    expect(lists['variants']!.map((entry) => entry.name)).toContain('busted-lock');
    expect(lists['checks']!.map((entry) => entry.name)).toContain('D6');
    for (const entry of Object.values(lists).flat()) expect(entry.text.length).toBeGreaterThan(10);
  });
});
