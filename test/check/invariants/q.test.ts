import { describe, expect, it } from 'vitest';
import { Q_STRUCTURE_INVARIANTS } from '../../../src/check/invariants/q.ts';
import { Q_CHECKS } from '../../support/q-machine.ts';

describe('the list of structure invariants', () => {
  it('names each id once, and exactly those that a check reports', () => {
    const listed = Q_STRUCTURE_INVARIANTS.map((invariant) => invariant.id);
    expect(new Set(listed).size).toBe(listed.length);
    expect(new Set(listed)).toEqual(new Set(Q_CHECKS.flatMap((check) => check.ids)));
  });

  it('has a sentence and a cost for each', () => {
    for (const { sentence, cost } of Q_STRUCTURE_INVARIANTS) {
      expect(sentence).toMatch(/^[A-Z].*\.$|^n_used .*\.$/);
      expect(cost).not.toBe('');
    }
  });
});
