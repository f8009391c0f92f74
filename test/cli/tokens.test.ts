import { describe, expect, it } from 'vitest';
import { cli } from './run-cli.ts';

const FIND = [
  'explore',
  'nx-partial-reuse',
  '--variant',
  'never-flush-on-reuse',
  '--seed',
  '5',
  '--without',
  'D24',
];

const tokenIn = (text: string): string => {
  const token = /npx splitstorm replay (S1\.\S+)/.exec(text)?.[1];
  if (token === undefined) throw new Error(`no token in ${text}`);
  return token;
};

describe('a token on the command line', () => {
  it.each(['random-walk', 'surw', 'pct:4'])(
    'replays what %s found, with the same violation',
    async (strategy) => {
      const found = await cli([...FIND.slice(0, -2), '--strategy', strategy]);
      expect(found.status).toBe(1);
      const token = tokenIn(found.stdout);
      expect(token.length).toBeLessThanOrEqual(80);
      const again = await cli(['replay', token, '--no-trace']);
      expect(again.status).toBe(1);
      expect(again.stdout).toContain(token);
      expect(again.stdout).not.toContain('not the run of the token');
      const id = /first=(\S+)/.exec(found.stdout)![1]!;
      expect(again.stdout).toContain(`first=${id}`);
    },
  );

  it('carries parameters that differ from the defaults', async () => {
    const found = await cli([...FIND.slice(0, -2), '--vcpus', '3', '--burst', '4']);
    const token = tokenIn(found.stdout);
    expect(token).toContain('~burst=4~vcpus=3');
    const again = await cli(['replay', token, '--no-trace']);
    expect(again.stdout).not.toContain('not the run of the token');
    expect(again.status).toBe(1);
  });

  it('that does not fit the run says what has changed and fails', async () => {
    const found = await cli(FIND.slice(0, -2));
    const token = tokenIn(found.stdout);
    const other = await cli(['replay', token, '--no-trace', '--vcpus', '3']);
    expect(other.stdout.replaceAll(/\s+/g, ' ')).toContain(
      'the scenario or its parameters have changed since',
    );
    const engine = await cli(['replay', token, '--no-trace', '--variant', 'p2']);
    expect(engine.stdout.replaceAll(/\s+/g, ' ')).toContain(
      'the engine, a variant, an actor or a strategy has changed since',
    );
    expect(engine.status).toBe(3);
  });

  it('that is damaged is refused in one line with status 2', async () => {
    for (const token of ['S1.nx-partial-reuse.AAAA', 'S9.x.y', 'S1.nonsense']) {
      const refused = await cli(['replay', token]);
      expect(refused.status).toBe(2);
      expect(refused.stderr).toMatch(/^splitstorm: token: [^\n]*\n$/);
    }
  });

  it('remembers which findings do not count', async () => {
    const found = await cli(FIND);
    const token = tokenIn(found.stdout);
    expect(token).toContain('~without=D24.');
    const again = await cli(['replay', token, '--no-trace']);
    expect(again.status).toBe(1);
    expect(again.stdout).not.toContain('first=D24');
  });
});

describe('shrink', () => {
  it('explains the minimal run on one screen', async () => {
    const found = await cli(FIND.slice(0, -2));
    const shrunk = await cli(['shrink', tokenIn(found.stdout)]);
    expect(shrunk.status).toBe(1);
    expect(shrunk.stdout.replaceAll(/\s+/g, ' ')).toMatch(
      /Shrunk in \d+ replays.*: \d+ preemptions? in \d+ steps to 0 /,
    );
    expect(shrunk.stdout).toContain('It needs no preemption.');
    expect(shrunk.stdout.trimEnd().split('\n').length).toBeLessThanOrEqual(40);
  });

  it('names the smaller workload in the token that it prints, which replays as that run', async () => {
    const found = await cli([
      'explore',
      'shadowed-tables',
      '--variant',
      'skip-wrprot-if-not-writable',
      '--seed',
      '6',
    ]);
    const shrunk = await cli(['explain', tokenIn(found.stdout)]);
    const token = tokenIn(shrunk.stdout);
    expect(token).toMatch(/~(burst|memory|vcpus)=\w+/);
    const again = await cli(['replay', token, '--no-trace']);
    expect(again.status).toBe(1);
    expect(again.stdout).not.toContain('not the run of the token');
  });

  it('of a schedule that passes is refused', async () => {
    const refused = await cli(['shrink', 'nx-partial-reuse', '--seed', '1', '--schedule', '3']);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('schedule 3 does not fail: there is nothing to shrink');
  });
});

describe('--strategy', () => {
  it('that does not exist is refused with those that do', async () => {
    const refused = await cli(['explore', 'enospc', '--strategy', 'dpor']);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('allowed is one of portfolio, random-walk, sticky');
  });
});
