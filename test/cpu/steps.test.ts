import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arena } from '../../src/arena/arena.ts';
import { PlainCpu, RunLog } from '../../src/cpu/plain-cpu.ts';
import { dependent, is64, isWrite, Op, OP_NAMES } from '../../src/cpu/steps.ts';
import { fewWords } from '../support/programs.ts';
import { perform, type Performed } from '../support/operations.ts';
import { holds } from '../support/property.ts';

describe('dependent', () => {
  it.each([
    ['two loads of a word', Op.Load, 8, Op.Load, 8, false],
    ['a load and a wait on a word', Op.Load, 8, Op.Wait, 8, false],
    ['a load and a store of a word', Op.Load, 8, Op.Store, 8, true],
    ['two stores of a word', Op.Store, 8, Op.Store, 8, true],
    ['a wait and an addition to its word', Op.Wait, 8, Op.Add, 8, true],
    ['stores of neighbouring words', Op.Store, 8, Op.Store, 9, false],
    ['a store of the second half and a load of the entry', Op.Store, 9, Op.Load64, 8, true],
    ['a store to the word behind an entry and a load of the entry', Op.Store, 10, Op.Load64, 8, false],
    ['two loads of an entry', Op.Load64, 8, Op.Load64, 8, false],
    ['an exchange and a load of an entry', Op.Exchange64, 8, Op.Load64, 8, true],
    ['a failed-or-not exchange and a load', Op.CompareExchange, 8, Op.Load, 8, true],
    ['a pause and anything', Op.Pause, 8, Op.Store, 8, false],
    ['anything and a fence', Op.Store, 8, Op.Fence, 8, false],
  ] as const)('%s', (_what, opA, wordA, opB, wordB, expected) => {
    expect(dependent(opA, wordA, opB, wordB)).toBe(expected);
    expect(dependent(opB, wordB, opA, wordA)).toBe(expected);
  });

  it('covers what does not commute: independent operations give the same results in both orders', () => {
    const operation: fc.Arbitrary<Performed> = fc.record({
      op: fc.constantFrom(
        ...Object.values(Op).filter((op) => op !== Op.Pause && op !== Op.Fence && op !== Op.Wait),
      ),
      word: fc.integer({ min: 0, max: 5 }),
      a: fc.integer({ min: 0, max: 2 }),
      b: fc.integer({ min: 0, max: 2 }),
      c: fc.integer({ min: 0, max: 2 }),
      d: fc.integer({ min: 0, max: 2 }),
    });
    let independent = 0;
    holds(
      fc.property(
        operation,
        operation,
        fc.array(fc.nat(2), { minLength: 8, maxLength: 8 }),
        (x, y, words) => {
          const wordOf = (p: Performed): number => (is64(p.op) ? p.word & ~1 : p.word);
          if (dependent(x.op, wordOf(x), y.op, wordOf(y))) return;
          independent++;
          const { arena, base } = fewWords();
          const run = (first: Performed, second: Performed): unknown => {
            arena.w.set(words, base);
            const cpu = new PlainCpu(arena, new RunLog(), { actor: 0, name: '', cls: 'other' }, false);
            const results = new Map([first, second].map((p) => [p, perform(cpu, base, p)]));
            return [results.get(x), results.get(y), [...arena.w.subarray(base, base + 8)]];
          };
          expect(run(x, y)).toEqual(run(y, x));
        },
      ),
      1000,
    );
    expect(independent).toBeGreaterThan(300);
  });
});

describe('kinds of operations', () => {
  it('have a name each', () => {
    expect(OP_NAMES.length).toBe(Object.keys(Op).length);
    expect(new Set(OP_NAMES).size).toBe(OP_NAMES.length);
    expect([OP_NAMES[Op.Wait], OP_NAMES[Op.CompareExchange64], OP_NAMES[Op.Fence]]).toEqual([
      'wait',
      'cmpxchg64',
      'fence',
    ]);
  });

  it('are writes exactly if they can change memory', () => {
    expect([Op.Pause, Op.Fence, Op.Wait].map(isWrite)).toEqual([false, false, false]);
    const { layout } = fewWords().arena;
    for (const op of Object.values(Op)) {
      if (op === Op.Pause || op === Op.Fence || op === Op.Wait) continue;
      const arena = Arena.tracked(layout);
      const base = layout.memory;
      arena.w.fill(6, base, base + 4);
      const cpu = new PlainCpu(arena, new RunLog(), { actor: 0, name: '', cls: 'other' }, false);
      perform(cpu, base, { op, word: 0, a: 6, b: op === Op.CompareExchange ? 9 : 6, c: 9, d: 9 });
      perform(cpu, base, { op, word: 0, a: 1, b: 1, c: 1, d: 1 });
      const changed = arena.w.subarray(base, base + 4).some((word) => word !== 6);
      expect([OP_NAMES[op], changed]).toEqual([OP_NAMES[op], isWrite(op)]);
    }
  });
});
