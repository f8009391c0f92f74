import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { account, bluetooth, reorder, twostage, wronglock } from '../../bench/kernels/sctbench.ts';
import { bruteForce, dpor, programOf, type Move } from './exhaustive-programs.ts';

const sorted = (values: Iterable<string>): string[] => [...values].sort();

describe('source-set DPOR', () => {
  it('runs independent actors once', () => {
    const program = programOf([
      [{ kind: 'write', at: 0, value: 1 }, { kind: 'read', at: 0 }],
      [{ kind: 'write', at: 2, value: 1 }, { kind: 'read', at: 2 }],
    ]);
    expect(dpor(program, 10)).toMatchObject({ runs: 1, redundant: 0 });
  });

  it.each([
    ['reorder_2', reorder(2)],
    ['reorder_3', reorder(3)],
    ['twostage', twostage(2)],
    ['wronglock', wronglock(1)],
    ['account', account],
    ['bluetooth', bluetooth],
  ])('runs every trace of %s exactly once', (_, program) => {
    const all = bruteForce(program, 300_000);
    if (all === undefined) throw new Error('too many');
    // A failed assertion ends a run early, so that only what can follow a passing one counts here.
    const found = dpor(program, 100_000);
    console.log(program.name, all.runs, all.traces.size, found.runs, found.redundant);
    expect([...found.traces.values()].every((count) => count === 1)).toBe(true);
    expect(found.runs).toBeGreaterThan(0);
  });
});

const value = fc.integer({ min: 0, max: 2 });
const at = fc.integer({ min: 0, max: 2 });
const simple: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ kind: fc.constant('read' as const), at }),
  fc.record({ kind: fc.constantFrom('write' as const, 'add' as const, 'or' as const), at, value }),
  fc.record({ kind: fc.constant('cas' as const), at, expected: value, value }),
  fc.record({ kind: fc.constant('await' as const), at, not: fc.constantFrom(0, 0, 1) }),
  fc.record({ kind: fc.constant('pair' as const), at, value }),
);
const moves: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: simple },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('branch' as const), at, then: simple }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('lock' as const, 'unlock' as const), at: fc.constant(4) }) },
);
const actors = fc.oneof(
  fc.array(fc.array(moves, { minLength: 1, maxLength: 5 }), { minLength: 2, maxLength: 2 }),
  fc.array(fc.array(moves, { minLength: 1, maxLength: 3 }), { minLength: 3, maxLength: 3 }),
);

describe('on random programs', () => {
  it('it runs each trace once and misses none', () => {
    let checked = 0, redundant = 0, runs = 0;
    fc.assert(
      fc.property(actors, (lists) => {
        const program = programOf(lists);
        const all = bruteForce(program, 3000);
        fc.pre(all !== undefined);
        const found = dpor(program, 5000);
        expect(sorted(found.traces.keys())).toEqual(sorted(all.traces.keys()));
        expect(found.runs).toBe(all.traces.size);
        expect(sorted(found.states)).toEqual(sorted(all.states));
        checked++; redundant += found.redundant; runs += found.runs;
      }),
      { numRuns: Number(process.env['RUNS'] ?? 300), ...(process.env['SEED'] ? { seed: Number(process.env['SEED']) } : {}) },
    );
    console.log({ checked, runs, redundant });
  });
});
