/**
 * Trace hashes that must not change by accident: not with the Node version, not with the machine. A change of the model or
 * of the scheduler changes them on purpose; then say so in the commit and write the new ones here.
 */
import { describe, expect, it } from 'vitest';
import { search } from '../../src/campaign/search.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { loadScenario } from '../../src/scenario/load.ts';

const GOLDEN: readonly (readonly [scenario: string, hash: string, steps: number])[] = [
  ['nested-migration', 'fc5c52ec', 38_091],
  ['nx-partial-reuse', '11deb0e9', 36_242],
  ['two-roots', '17b49bc9', 17_260],
];

describe('fifty schedules of a fixed seed', () => {
  it.each(GOLDEN)('of %s give the hash they always gave', async (name, hash, steps) => {
    const machine = buildMachine(await loadScenario(name), 'explore');
    const result = await search({
      machine,
      layout: layoutThatFits(machine, 2 ** 32),
      engine: P1_ENGINE,
      custom: undefined,
      judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
      seed: 'golden',
      from: 0,
      schedules: 50,
      maxFailures: 1,
      twice: true,
      strategy: parseStrategy('random-walk'),
      signal: new AbortController().signal,
    });
    expect(result.failures).toEqual([]);
    expect(result.diverged).toEqual([]);
    expect([result.hash, result.steps]).toEqual([hash, steps]);
  });
});
