import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cli, cliProcess } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'splitstorm-'));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

const found = await cli([
  'explore',
  'nested-migration',
  '--variant',
  'busted-lock',
  '--seed',
  '1',
  '-o',
  at('found.schedule'),
]);
const shrunk = await cli(['shrink', at('found.schedule'), '-o', at('minimal.schedule')]);

describe('a schedule file on the command line', () => {
  it('is written by explore, with what explains the failure', () => {
    expect(found.status).toBe(1);
    expect(found.stderr).toMatch(/schedule file \S+found\.schedule: \d+ steps, \d+ overrides/);
    expect(found.stdout).toMatch(/npx splitstorm explain S1\.nested-migration~busted-lock\.\S+/);
  });

  it('is shrunk to another one, which ends with an explanation that leads to it', () => {
    expect(shrunk.status).toBe(1);
    expect(shrunk.stdout.trimEnd().split('\n').length).toBeLessThanOrEqual(40);
    expect(shrunk.stdout).toMatch(/preempted/);
    expect(shrunk.stdout).toContain(`replay  npx splitstorm replay ${at('minimal.schedule')} --no-trace`);
  });

  it('is replayed with the same violation', async () => {
    const again = await cli(['replay', at('minimal.schedule'), '--last', '10']);
    expect(again.status).toBe(1);
    expect(again.stdout).toContain('first=D1');
    expect(again.stdout).toContain(`npx splitstorm replay ${at('minimal.schedule')}`);
    expect(again.stdout).toMatch(/^ +\d+ .*L2 vCPU|^ +\d+ /m);
  });

  it('is explained as it is', async () => {
    const explained = await cli(['explain', at('minimal.schedule')]);
    expect(explained.status).toBe(1);
    expect(explained.stdout).not.toContain('Shrunk in');
    expect(explained.stdout).toContain('D1 is broken in nested-migration, variant busted-lock');
    for (const line of explained.stdout.split('\n').filter((text) => !text.includes('npx')))
      expect(line.length).toBeLessThanOrEqual(80);
  });

  it('stops at the first other operation on another engine, and says that it is another', async () => {
    const fixed = await cli(['replay', at('minimal.schedule'), '--variant', 'p1']);
    expect(fixed.status).toBe(3);
    expect(fixed.stdout).toBe('');
    expect(fixed.stderr).toMatch(
      /^splitstorm: schedule file \S+: step \d+ should be .* and is .*; the engine is another[^\n]*\n$/,
    );
  });

  it('plays leniently on another engine, which passes', async () => {
    const fixed = await cli(['replay', at('minimal.schedule'), '--variant', 'p1', '--lenient', '--no-trace']);
    expect(fixed.status).toBe(0);
    expect(fixed.stdout).toContain('played leniently');
  });

  it('that is damaged is refused in one line with status 2', async () => {
    const text = readFileSync(at('minimal.schedule'), 'utf8');
    writeFileSync(at('damaged.schedule'), text.replace('\nseed 1\n', '\nseed 2\n'));
    const refused = await cli(['explain', at('damaged.schedule')]);
    expect(refused.status).toBe(2);
    expect(refused.stdout).toBe('');
    expect(refused.stderr).toMatch(/^splitstorm: schedule file \S+: its checksum is wrong[^\n]*\n$/);
  });

  it('of other actors is refused', async () => {
    const refused = await cli(['replay', at('minimal.schedule'), '--vcpus', '3']);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(/^splitstorm: [^\n]* it is of another scenario: its actors are [^\n]*\n$/);
  });

  it('cannot be given a schedule beside its own', async () => {
    const refused = await cli(['shrink', at('minimal.schedule'), '--schedule', '3']);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('--schedule: a schedule file has its own');
  });

  it('cannot be written where there is no folder, and an actor that others wait for cannot stay away', async () => {
    const unwritable = await cli(['shrink', at('minimal.schedule'), '-o', '/no/such/folder/x']);
    expect(unwritable.status).toBe(2);
    expect(unwritable.stderr).toContain('--write-schedule: /no/such/folder/x cannot be written');
    const idle = await cli(['replay', 'nested-migration', '--seed', '1', '--idle', '0']);
    expect(idle.status).toBe(2);
    expect(idle.stderr).toContain('--idle: actor 0, migration, cannot stay away');
  });
});

describe('replay --step-through', () => {
  it('walks forward and back, with what each step changed', async () => {
    const walk = await cliProcess(['replay', at('minimal.schedule'), '--step-through'], {
      input: 'n\n\np\ng 5\nx\nX\nS\nh\ne\n?\nzz\nq\n',
    });
    expect(walk.status).toBe(1);
    const steps = [...walk.stdout.matchAll(/^step (\d+) of (\d+)/gm)].map((match) => Number(match[1]));
    const last = Number(/of (\d+)/.exec(walk.stdout)![1]);
    expect(steps.slice(0, 5)).toEqual([0, 1, 2, 1, 5]);
    const preempted = steps[5]!;
    expect(preempted).toBeGreaterThan(5);
    // There is one preemption, and before it only the switch at the start.
    expect(steps[6]).toBe(preempted);
    expect(steps.slice(7)).toEqual([expect.any(Number), 0, last]);
    expect(walk.stdout).toContain('takes slots_lock');
    expect(walk.stdout).toMatch(/slots_lock: 0 => 1/);
    expect(walk.stdout).toContain('there is no command "zz"');
    expect(walk.stdout).toMatch(/D1: (L2 vCPU|migration)/);
    expect(walk.stdout.trimEnd().split('\n').at(-1)).toMatch(/^FAILURE verdict=violation/);
  });

  it('ends with its input', async () => {
    const walk = await cliProcess(['replay', at('minimal.schedule'), '--step-through'], { input: 'n\n' });
    expect(walk.status).toBe(1);
    expect(walk.stdout.match(/^step /gm)?.length).toBe(2);
  });
});
