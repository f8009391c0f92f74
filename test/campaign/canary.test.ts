import { describe, expect, it } from 'vitest';
import { canary } from '../../src/campaign/canary.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import linkBeforeFill from '../../src/variants/bugs/link-before-fill.ts';
import { engineOf } from '../../src/variants/index.ts';

describe('the canary', () => {
  it('has nothing to say of a net that is alive, and says what it has proved', async () => {
    const { alive, proved, dead } = await canary();
    expect(dead).toEqual([]);
    expect(alive).toBe(true);
    expect(proved).toHaveLength(6);
  });

  it('notices state checks that are not made, by a leaf of the wrong A/D kind', async () => {
    const judge = () => makeJudge({ stateChecks: [], stepChecks: ALL_STEP_CHECKS });
    const { alive, dead } = await canary({ judge });
    expect(alive).toBe(false);
    expect(dead).toEqual([
      expect.stringMatching(/^an entry marked write-protect-only .* was not caught by Q31/),
    ]);
  });

  it('notices step checks that are not made, by a child that is linked too early', async () => {
    const { dead } = await canary({
      judge: () => makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: [] }),
    });
    expect(dead).toEqual([expect.stringMatching(/^a child that is linked .* was not caught by Q35/)]);
  });

  it('notices a search that does not see that a second run differs', async () => {
    expect(await canary({ fickle: () => P1_ENGINE })).toMatchObject({
      alive: false,
      dead: [expect.stringContaining('when a schedule is run again was not noticed')],
    });
  });

  it('notices a replay that passes on a changed engine', async () => {
    expect((await canary({ other: P1_ENGINE })).dead).toEqual([
      'a replay on another engine passed as if nothing had changed',
    ]);
  });

  it('notices an oracle that does not fire on a state broken by hand', async () => {
    expect((await canary({ stateChecks: [] })).dead).toEqual([expect.stringContaining('(Q4)')]);
  });

  it('notices an oracle that fires on a clean run', async () => {
    expect((await canary({ clean: engineOf([linkBeforeFill]) })).dead).toContain(
      'Q35 fired on the clean engine',
    );
  });
});
