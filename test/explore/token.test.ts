import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatToken, markOf, parseToken, TokenError, type Token } from '../../src/explore/token.ts';

const SAMPLE: Token = {
  scenario: 'nx-partial-reuse',
  variants: ['never-flush-on-reuse'],
  parameters: {},
  idle: [],
  without: [],
  plan: { strategy: 6, option: 0 },
  seed: '1a2b3c4d',
  schedule: 1234,
  steps: 391,
  hash: 'd6759347',
  machine: 0xbeef,
};
const GOLDEN = 'S1.nx-partial-reuse~never-flush-on-reuse.BgAAGis8TdIJhwPWdZNHvu8nCQ';

const name = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,20}$/);
const token = fc.record({
  scenario: name,
  variants: fc.array(name, { minLength: 1, maxLength: 3 }),
  parameters: fc.dictionary(fc.stringMatching(/^[a-z][A-Za-z0-9]{0,10}$/), fc.string({ maxLength: 12 }), {
    maxKeys: 4,
  }),
  idle: fc.uniqueArray(fc.nat(63), { maxLength: 4 }),
  without: fc.array(fc.stringMatching(/^[A-Z][0-9]{1,2}$/), { maxLength: 3 }),
  plan: fc.oneof(
    fc.record({ strategy: fc.nat(254), option: fc.nat(100_000).map((n) => n / 1000) }),
    fc.record({
      overrides: fc.array(
        fc.record({ actor: fc.integer({ min: -1, max: 70 }), op: fc.nat(100_000), next: fc.nat(70) }),
        { maxLength: 8 },
      ),
    }),
  ),
  seed: fc.oneof(fc.stringMatching(/^[0-9a-f]{8}$/), fc.string({ minLength: 1, maxLength: 20 })),
  schedule: fc.nat(2 ** 31 - 1),
  steps: fc.nat(2 ** 31 - 1),
  hash: fc.stringMatching(/^[0-9a-f]{8}$/),
  machine: fc.nat(0xffff),
});

describe('a token', () => {
  it('is what it was when the format was fixed', () => {
    expect(formatToken(SAMPLE)).toBe(GOLDEN);
    expect(parseToken(GOLDEN)).toEqual(SAMPLE);
  });

  it('may name a variant by its mark', () => {
    const text = formatToken({ ...SAMPLE, variants: [markOf('never-flush-on-reuse')] });
    expect(text).toMatch(/^S1\.nx-partial-reuse~@[\w-]{4}\./);
    expect(parseToken(text).variants).toEqual([markOf('never-flush-on-reuse')]);
  });

  it('reads back as it was written', () => {
    fc.assert(
      fc.property(token, (one) => {
        fc.pre(!Object.keys(one.parameters).some((key) => ['__proto__', 'idle', 'without'].includes(key)));
        expect(parseToken(formatToken(one))).toEqual(one);
      }),
    );
  });

  it('is refused when any one character is changed or left out', () => {
    for (let i = 0; i < GOLDEN.length; i++) {
      const other = GOLDEN[i] === 'x' ? 'y' : 'x';
      expect(() => parseToken(GOLDEN.slice(0, i) + other + GOLDEN.slice(i + 1))).toThrow(TokenError);
      expect(() => parseToken(GOLDEN.slice(0, i) + GOLDEN.slice(i + 1))).toThrow(TokenError);
    }
  });

  it('of another version is named as such', () => {
    expect(() => parseToken(GOLDEN.replace('S1', 'S0'))).toThrow(/format 0, of an older version/);
    expect(() => parseToken(GOLDEN.replace('S1', 'S7'))).toThrow(/format 7, of a newer version/);
  });

  it('that is something else, too short or too long is refused in one line', () => {
    for (const text of ['', 'hello', 'S1.', 'S1.a.b', `S1.${'a'.repeat(3000)}.b`, GOLDEN.slice(0, 50)]) {
      const refuse = (): Token => parseToken(text);
      expect(refuse).toThrow(TokenError);
      expect(refuse).toThrow(/^token: [^\n]*$/);
    }
  });
});
