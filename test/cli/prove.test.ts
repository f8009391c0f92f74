import { describe, expect, it } from 'vitest';
import { outcomeSchema } from '../../src/report/schema.ts';
import { cli } from './run-cli.ts';

describe('splitstorm prove', () => {
  it('states what it proved, with status 0 and an outcome that fits the schema', async () => {
    const { status, stdout } = await cli(['prove', 'tiny-split', '--json', '-']);
    expect(status).toBe(0);
    const outcome = outcomeSchema.parse(JSON.parse(stdout));
    expect(outcome).toMatchObject({ kind: 'prove', verdict: 'clean' });
    expect(outcome.proof).toMatchObject({ method: 'dpor', complete: true, schedules: 147 });
  }, 60_000);

  it('ends with status 1 and a token at a schedule that breaks a check', async () => {
    const { status, stdout } = await cli(['prove', 'tiny-split', '--variant', 'link-before-fill']);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^NOT SO: a schedule of tiny-split/m);
    expect(stdout).toMatch(/^ {2}npx splitstorm explain S1\.tiny-split~link-before-fill\.\S+$/m);
    expect(stdout).toMatch(/^FAILURE verdict=violation violations=1 first=Q35 exit=1/m);
  }, 60_000);

  it('refuses two methods at once', async () => {
    const { status, stderr } = await cli(['prove', 'tiny-split', '--dpor', '--preemptions', '1']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^splitstorm: --dpor and --preemptions: both given, allowed is one of them\n/);
  }, 60_000);
});
