import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { cli, cliProcess } from './run-cli.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/scenarios/${name}`, import.meta.url));

/** What is given, and what the one line on standard error must say. */
const WRONG: readonly (readonly [args: readonly string[], says: string])[] = [
  [['rnu'], 'there is no command rnu; did you mean run?'],
  [[], 'a command is needed'],
  [['run', '--memroy', '1G'], 'unknown option or argument: memroy; did you mean --memory?'],
  [['run', 'nested-migratoin'], 'there is no scenario nested-migratoin; did you mean nested-migration?'],
  [['run', '--vcpus', '0'], '--vcpus: "0" given, allowed is an integer from 1 to 64'],
  [['run', '--write-fraction', '1.5'], '--write-fraction: "1.5" given, allowed is a number from 0 to 1'],
  [['run', '--memory', '1000'], '--memory: "1000" given, allowed is a size from 16K'],
  [['run', '--memory', '1T', '--backing', '4k'], 'does not fit'],
  [['run', '--splitters', '9'], '--splitters: 9 given, allowed is at most 2'],
  [['run', '--json', '/no/such/folder/out.json'], '--json: /no/such/folder/out.json cannot be written'],
  [['run', '--duration', '5'], '--duration: "5" given, allowed is a duration'],
  [['explore', '--variant', 'p9'], 'there is no variant p9; did you mean p0?'],
  [['explore', '--without', 'Q99'], '--without: there is no check Q99'],
  [['explore', '--mmu-pages', '2'], '--mmu-pages: 2 given, allowed is 0, or at least'],
  [['explore', '--write-fraction', '0'], '--write-fraction: 0 given, allowed is more than 0'],
  [['explore', '--pml', '4'], '--pml: 4 given, allowed is 0 without an L1 vCPU'],
  [['explore', '--dirty-ring', '16', '--manual', 'manual'], '--manual: "manual" given, allowed is off'],
  [['explore', '--no-tdp-mmu'], '--tdp-mmu: false given, allowed is true, or eager off'],
  [['explore', '--format', 'npt', '--no-host-ad-bits'], '--host-ad-bits: false given, allowed is true'],
  [['explore', 'log-cycle', '--swarm', '2'], '--swarm: "2" given, allowed is a number from 0 to 1'],
  [['explore', '--swarm', '0.3'], '--swarm: 0.3 given, allowed is 0: nested-migration has no further'],
  [
    ['explore', 'kitchen-sink', '--swarm', '1'],
    '--swarm: 1 given, allowed is less than 1: nobody of the cast',
  ],
  [['explore', '--enomem-rate', '1'], '--enomem-rate: 1 given, allowed is less than 1'],
  [['explore', '--spurious-fault-rate', '1'], '--spurious-fault-rate: 1 given, allowed is less than 1'],
  [['run', '--splitters', '2', '--no-eager'], '--splitters: 2 given, allowed is 1 with eager off'],
  [['run', '--nx-recovery-ratio', '5'], '--nx-recovery-ratio: 5 given, allowed is 60, or nx on'],
  [['explore', 'pml', '--no-host-ad-bits'], '--pml: 3 given, allowed is 0 with npt or without hostAdBits'],
  [['explore', 'dirty-ring', '--manual', 'initially-set'], '--dirty-ring: 8 given, allowed is 0 with manual'],
  [['explore', 'nx-recovery', '--no-nx'], '--nx-recovery-ratio: 1 given, allowed is 60, or nx on'],
  [
    ['explore', '--flush-backend', 'range'],
    '--flush-backend: "range" given, allowed is one of full, range-l1',
  ],
  [['replay'], '--seed: needed to find the run again'],
  [
    ['run', '--record-conformance', 'x.json'],
    '--record-conformance: the threads of a parallel run have no order',
  ],
  [['explore', 'no-such-file.ts'], 'there is no file no-such-file.ts'],
  [['explore', fixture('no-syntax.ts')], 'cannot be loaded'],
  [['explore', fixture('throws.ts')], 'Error: thrown while loading'],
  [['explore', fixture('no-default.ts')], 'has no default export'],
  [['explore', fixture('not-a-scenario.ts')], 'name: must be lower-case letters, digits and hyphens'],
];

describe('wrong usage', () => {
  it.each(WRONG)('%j is refused with status 2 and says why', async (args, says) => {
    const { status, stdout, stderr } = await cli(args);
    expect(stderr).toContain(says);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stdout).toBe('');
    expect(status).toBe(2);
  });

  it('leaves no file behind when a run is refused after --json was checked', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'splitstorm-'));
    const { status } = await cli(['run', '--json', join(folder, 'out.json'), '--vcpus', '0']);
    expect(status).toBe(2);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('gives a file that never ends 15 seconds', async () => {
    // A tenth of what it asks for, so that the test need not wait as long.
    const { timeout } = AbortSignal;
    const limit = vi
      .spyOn(AbortSignal, 'timeout')
      .mockImplementation((ms) => timeout.call(AbortSignal, ms / 10));
    const { status, stderr } = await cli(['explore', fixture('endless.ts')]);
    limit.mockRestore();
    expect(stderr).toContain('did not finish loading and building within 15 s');
    expect(status).toBe(2);
  });

  it.each(['clone', 'package'] as const)(
    'is the exit status of the process, started from a %s',
    async (from) => {
      const { status, stdout, stderr } = await cliProcess(['list', '--jsno'], { from });
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toBe(
        'splitstorm: unknown option or argument: jsno; did you mean --json?\nTry: npx splitstorm --help\n',
      );
    },
  );
});
