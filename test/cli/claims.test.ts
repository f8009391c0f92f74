import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';
import yargs from 'yargs';
import { claimsCommand } from '../../src/cli/claims.ts';
import { isUserError, UsageError } from '../../src/cli/usage.ts';
import { cli } from './run-cli.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/experiments/${name}`, import.meta.url));
const PATIENCE_MS = 120_000;
const folder = mkdtempSync(join(tmpdir(), 'splitstorm-claims-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

/** On this thread, without the rest of the program: starting a process for each takes long. */
const parsed = (args: readonly string[], done: (status: number) => void = () => {}): Promise<unknown> =>
  yargs(['claims', ...args])
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(message);
    })
    .command(claimsCommand(done))
    .parseAsync();

describe('splitstorm claims', () => {
  it('lists the claims', async () => {
    const { status, stdout } = await cli(['claims', '--list']);
    expect(status).toBe(0);
    expect(stdout.match(/^(C\d+|H-[A-K]|F\d|A24) /gm)).toHaveLength(36);
  });

  it(
    'conducts an experiment of the user, writes it as JSON, and compares with an earlier run',
    async () => {
      const json = join(folder, 'now.json');
      const before = { format: 'splitstorm-claims 1', claims: [{ id: 'GREEDY', verdict: 'refuted' }] };
      const expectations = ['--expect', file('before.json', JSON.stringify(before))];
      const own = ['--file', fixture('greedy.ts'), '--workers', '1'];
      const run = await cli(['claims', ...own, ...expectations, '--json', json]);
      expect(run.stderr).not.toContain('splitstorm:');
      expect(run.stdout).toContain('GREEDY CONFIRMED');
      expect(run.stdout).toContain('control  with link-before-fill: refuted');
      expect(run.stdout).toContain('CHANGED  GREEDY was refuted, and is confirmed');
      expect(run.status).toBe(1);
      const written = JSON.parse(readFileSync(json, 'utf8')) as { claims: unknown[] };
      expect(written.claims[0]).toMatchObject({ id: 'GREEDY', verdict: 'confirmed' });
    },
    PATIENCE_MS,
  );

  it.each([
    [['--claim', 'C99'], 'there is no claim C99'],
    [['--claim', ','], '--claim: nothing given'],
    [['--budget', '0s'], '--budget: 0 given'],
    [['--effort', 'much'], '--effort: "much" given, allowed is a number from 0.001 to 1000'],
    [['--file', 'nothing.ts'], 'experiment: there is no file nothing.ts'],
    [['--file', fixture('no-control.mjs')], 'control: must change something: a variant or parameters'],
    [['--expect', file('not.json', '{')], 'is no JSON'],
    [['--expect', file('other.json', '{}')], 'was not written by claims --json'],
    [['--variant', 'p9'], 'there is no variant p9'],
  ])('refuses %j with what was wrong', async (args, text) => {
    await expect(parsed(args)).rejects.toSatisfy(
      (error) => isUserError(error) && error.message.includes(text) && !error.message.includes('    at '),
    );
  });

  it('says what it knows when it is interrupted', async () => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const listeners = process.listenerCount('SIGINT');
    let status: number | undefined;
    const running = parsed(['--claim', 'C6', '--effort', '100', '--workers', '1'], (result) => {
      status = result;
    });
    await vi.waitFor(() => expect(process.listenerCount('SIGINT')).toBe(listeners + 1), PATIENCE_MS);
    process.emit('SIGINT');
    await running;
    const text = write.mock.calls.map(([part]) => String(part)).join('');
    vi.restoreAllMocks();
    expect(status).toBe(130);
    expect(text).toContain('C6 OPEN');
    expect(text).toContain('it was interrupted before');
    expect(process.listenerCount('SIGINT')).toBe(listeners);
  }, 120_000);
});
