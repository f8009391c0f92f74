import { describe, expect, it } from 'vitest';
import { conduct } from '../../../src/campaign/claims/conduct.ts';
import { EXPERIMENTS } from '../../../src/campaign/claims/experiments/index.ts';
import { findExperiment } from '../../../src/campaign/claims/load.ts';
import { findVariant } from '../../../src/variants/index.ts';

const LIMIT_MS = 60_000;

/** One of each kind: checks of its own, locks, a hunt, counters with a parameter for the control. CI conducts all. */
const KINDS = ['C8', 'C13', 'H-H', 'H-I'];

describe('the shipped experiments', () => {
  it('are one for each claim, hypothesis and flush place of kernel-facts 9, and a few more', () => {
    const claims = Array.from({ length: 15 }, (_, i) => `C${i + 1}`);
    const hypotheses = 'ABCDEFGHIJK'.split('').map((letter) => `H-${letter}`);
    const places = Array.from({ length: 9 }, (_, i) => `F${i + 1}`);
    expect(EXPERIMENTS.map(({ id }) => id)).toEqual([...claims, ...hypotheses, ...places, 'A24']);
  });

  it('have controls that exist', () => {
    const missing = EXPERIMENTS.filter(({ control: { variant, parameters } }) =>
      typeof variant === 'string'
        ? variant.split('+').some((name) => findVariant(name) === undefined)
        : variant === undefined && parameters === undefined,
    );
    expect(missing.map(({ id }) => id)).toEqual([]);
  });

  it.each(KINDS)(
    '%s comes to a verdict, to another one in its control, and to the same again',
    async (id) => {
      const options = { seed: '1', effort: 0.02, replays: 0, limitMs: LIMIT_MS };
      const record = await conduct(findExperiment(id), options);
      expect({ error: record.error, otherwise: record.control?.otherwise }).toEqual({ otherwise: true });
      expect(record.verdict).not.toBe('open');
      const again = await conduct(findExperiment(id), { ...options, withoutControl: true });
      expect({ ...again, seconds: 0 }).toEqual({ ...record, control: undefined, seconds: 0 });
    },
    LIMIT_MS,
  );
});
