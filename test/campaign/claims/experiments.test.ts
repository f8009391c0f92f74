import { describe, expect, it } from 'vitest';
import { conduct } from '../../../src/campaign/claims/conduct.ts';
import { EXPERIMENTS } from '../../../src/campaign/claims/experiments/index.ts';
import { hasFailed } from '../../../src/report/claims-report.ts';

const LIMIT_MS = 60_000;

describe('the shipped experiments', () => {
  it('have ids of their own', () => {
    const ids = EXPERIMENTS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(EXPERIMENTS.map((experiment) => [experiment.id, experiment] as const))(
    '%s comes to a verdict, and to another one in its control',
    async (_, experiment) => {
      const record = await conduct(experiment, { seed: '1', effort: 0.01, replays: 0, limitMs: LIMIT_MS });
      expect({ error: record.error, control: record.control?.otherwise }).toEqual({ control: true });
      expect(hasFailed(record)).toBe(false);
    },
    LIMIT_MS,
  );
});
