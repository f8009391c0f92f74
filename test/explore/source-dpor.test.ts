import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bruteForce, dpor, programOf, type Move } from './exhaustive-programs.ts';

const sorted = (values: Iterable<string>): string[] => [...values].sort();

/** Both searches of a program, or undefined if it has too many interleavings. */
function compare(actors: readonly (readonly Move[])[], limit: number) {
  const program = programOf(actors);
  const all = bruteForce(program, limit);
  if (all === undefined) return undefined;
  const found = dpor(program, 2 * limit);
  expect(sorted(found.traces.keys())).toEqual(sorted(all.traces.keys()));
  expect(sorted(found.states)).toEqual(sorted(all.states));
  // No trace twice: as many complete runs as there are traces.
  expect(found.runs).toBe(all.traces.size);
  return { all, found };
}

const write = (at: number, value: number): Move => ({ kind: 'write', at, value });
const read = (at: number): Move => ({ kind: 'read', at });
const lock = (at: number): Move => ({ kind: 'lock', at });
const unlock = (at: number): Move => ({ kind: 'unlock', at });

describe('source-set DPOR runs every trace once: brute force finds no other, and as many', () => {
  it.each<[string, readonly (readonly Move[])[], number]>([
    [
      'independent actors',
      [
        [write(0, 1), read(0)],
        [write(2, 1), read(2)],
      ],
      1,
    ],
    ['readers of one word', [[read(0), read(0)], [read(0)]], 1],
    ['two writers', [[write(0, 1)], [write(0, 2)]], 2],
    ['writers of one value: the second changes nothing', [[write(0, 1)], [write(0, 1)]], 2],
    ['stores of what is there already', [[write(0, 0)], [write(0, 0)]], 1],
    [
      'store buffering',
      [
        [write(0, 1), read(2)],
        [write(2, 1), read(0)],
      ],
      3,
    ],
    [
      'two sections of one lock',
      [
        [lock(4), unlock(4)],
        [lock(4), unlock(4)],
      ],
      4,
    ],
    ['a half of a pair that is stored in one', [[{ kind: 'pair', at: 0, value: 1 }], [read(1)]], 2],
    ['actors that block for ever', [[lock(4)], [lock(4)]], 2],
    [
      'a wait that one write lets go and the next takes back',
      [
        [write(0, 1), write(0, 0)],
        [{ kind: 'await', at: 0, not: 0 }, write(2, 1)],
      ],
      2,
    ],
    [
      'a wait that a third actor can only block',
      [
        [lock(4), { kind: 'cas', at: 0, expected: 0, value: 0 }],
        [{ kind: 'pair', at: 0, value: 1 }],
        [{ kind: 'await', at: 0, not: 1 }, lock(4)],
      ],
      5,
    ],
  ])('%s', (_, actors, traces) => {
    expect(compare(actors, 5000)?.found.runs).toBe(traces);
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
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('branch' as const), at, inner: simple }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom('lock' as const, 'unlock' as const),
        at: fc.constant(4),
      }),
    },
  );
  const lists = (actors: number, longest: number) =>
    fc.array(fc.array(moves, { minLength: 1, maxLength: longest }), { minLength: actors, maxLength: actors });

  it.each([
    ['two', 2, 5],
    ['three', 3, 3],
  ])('random programs of %s actors', (_, actors, longest) => {
    let compared = 0;
    fc.assert(
      fc.property(lists(actors, longest), (program) => {
        if (compare(program, 1000) !== undefined) compared++;
      }),
      { numRuns: 80 },
    );
    expect(compared).toBeGreaterThan(20);
  });
});
