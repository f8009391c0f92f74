import { describe, expect, it } from 'vitest';
import { canary } from '../../src/campaign/canary.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';

describe('the canary', () => {
  it('has nothing to say of a net that is alive', async () => {
    expect(await canary()).toEqual([]);
  });

  it('notices a judge that sees nothing', async () => {
    const dead = await canary({ judge: () => makeJudge({ stateChecks: [], stepChecks: [] }) });
    expect(dead).toEqual([expect.stringContaining('was not seen in 32 schedules')]);
  });

  it('notices a trace that does not depend on the engine', async () => {
    expect(await canary({ other: P1_ENGINE })).toEqual([
      expect.stringContaining('a replay on changed code would pass'),
    ]);
  });

  it('notices state checks that do not fire', async () => {
    expect(await canary({ stateChecks: [] })).toEqual([expect.stringContaining('(Q4)')]);
  });
});
