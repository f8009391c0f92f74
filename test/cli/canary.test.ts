// With a dead canary, which only a defect of the program can have, nothing is searched and nothing is green.
import { afterEach, describe, expect, it, vi } from 'vitest';
import yargs from 'yargs';
import type { Outcome } from '../../src/report/schema.ts';
import { bugsCommand } from '../../src/cli/bugs.ts';
import { exploreCommand } from '../../src/cli/explore.ts';
import { proveCommand } from '../../src/cli/prove.ts';

const DEAD = 'a lock that excludes nobody was not caught';

vi.mock('../../src/campaign/canary.ts', () => ({
  canary: () => Promise.resolve({ alive: false, proved: [], dead: [DEAD] }),
}));

/** Runs a command in this process. */
async function run(
  make: typeof exploreCommand,
  args: readonly string[],
): Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }> {
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += text as string;
      return true;
    });
  }
  let status = -1;
  const command = await make(args, '0.0.0', (result) => (status = result));
  await yargs([...args])
    .command(command)
    .exitProcess(false)
    .parseAsync();
  return { status, ...written };
}

afterEach(() => vi.restoreAllMocks());

describe('a dead canary', () => {
  it.each([
    ['explore', exploreCommand, ['explore', 'nested-migration', '--schedules', '10']],
    ['prove', proveCommand, ['prove', 'tiny-split']],
  ])('ends %s with status 3 before anything is searched, and says why', async (_, make, args) => {
    const { status, stdout } = await run(make, [...args, '--json', '-']);
    expect(status).toBe(3);
    const outcome = JSON.parse(stdout) as Outcome;
    expect(outcome).toMatchObject({
      verdict: 'error',
      exitStatus: 3,
      exploration: { schedules: 0 },
      canary: { alive: false, dead: [DEAD] },
    });
    expect(outcome.caveats).toContain(`the canary is dead: ${DEAD}`);
    const text = (await run(make, args)).stdout.replaceAll(/\s+/g, ' ');
    expect(text).toContain(`DEAD: ${DEAD}`);
    expect(text).toContain('FAILURE verdict=error violations=0 exit=3');
    expect(text).not.toMatch(/SUCCESS|CLEAN|ERROR PROVED:/);
  });

  it('ends bugs with status 3 before anything is hunted', async () => {
    const make: typeof exploreCommand = (_args, _version, done) => Promise.resolve(bugsCommand(done));
    const { status, stdout, stderr } = await run(make, ['bugs', '--bug', 'B-50']);
    expect([status, stdout]).toEqual([3, '']);
    expect(stderr).toContain(`splitstorm: the canary is dead: ${DEAD}\n`);
  });
});
