import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lengthOnly, readExcerpt, rounded, writeExcerpt, type Excerpt } from '../../src/explore/excerpt.ts';
import { ByteReader, BytesError, ByteWriter } from '../../src/explore/bytes.ts';
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
/** A location of three actors, one of which has made 83 accesses or a little more. */
const WITH_EXCERPT: Token = {
  ...SAMPLE,
  plan: {
    strategy: 6,
    option: 0,
    excerpt: { ...lengthOnly({ decisions: 416, length: 448 }), location: -2, accesses: [7, 84, 0] },
  },
};
const GOLDEN_EXCERPT = 'S1.nx-partial-reuse~never-flush-on-reuse.hgAEWlwDAAc1AAAaKzxN0gmHA9Z1k0e-7-cc';

const name = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,20}$/);
const count = fc.nat(507_904).map(rounded);
const lengths = { decisions: count, length: count };
const perActor = (actors: number): fc.Arbitrary<number[]> =>
  fc.array(count, { minLength: actors, maxLength: actors });
/** As strategies make them: an actor's parent is another actor or nobody. */
const excerpt: fc.Arbitrary<Excerpt> = fc.integer({ min: 1, max: 20 }).chain((actors) =>
  fc.oneof(
    fc.record(lengths).map(lengthOnly),
    fc.record({
      ...lengths,
      events: perActor(actors),
      parents: fc.array(fc.integer({ min: -1, max: actors - 1 }), { minLength: actors, maxLength: actors }),
      location: fc.constant(-1),
      accesses: fc.constant([]),
    }),
    fc.record({
      ...lengths,
      events: fc.constant([]),
      parents: fc.constant([]),
      location: fc.integer({ min: -1000, max: 2 ** 30 }).filter((location) => location !== -1),
      accesses: perActor(actors),
    }),
  ),
);
const kept = fc
  .array(
    fc.tuple(
      fc.nat(70),
      fc.uniqueArray(fc.nat(400), { maxLength: 12 }).map((moves) => moves.sort((a, b) => a - b)),
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((actors) => new Map(actors));
const token = fc.record({
  scenario: name,
  variants: fc.array(name, { minLength: 1, maxLength: 3 }),
  parameters: fc.dictionary(fc.stringMatching(/^[a-z][A-Za-z0-9]{0,10}$/), fc.string({ maxLength: 12 }), {
    maxKeys: 4,
  }),
  idle: fc.uniqueArray(fc.nat(63), { maxLength: 4 }),
  without: fc.array(fc.stringMatching(/^[A-Z][0-9]{1,2}$/), { maxLength: 3 }),
  plan: fc.oneof(
    fc.record({ strategy: fc.nat(125), option: fc.nat(100_000).map((n) => n / 1000) }),
    fc.record({ strategy: fc.nat(125), option: fc.nat(100_000).map((n) => n / 1000), excerpt }),
    fc.record({
      overrides: fc.array(
        fc.record({ actor: fc.integer({ min: -1, max: 70 }), op: fc.nat(100_000), next: fc.nat(70) }),
        { maxLength: 8 },
      ),
    }),
    fc.record({ overrides: fc.constant([{ actor: 1, op: 7, next: 2 }]), kept }),
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

  it('carries what its schedule reads of the profile, at one byte a count', () => {
    expect(formatToken(WITH_EXCERPT)).toBe(GOLDEN_EXCERPT);
    expect(parseToken(GOLDEN_EXCERPT)).toEqual(WITH_EXCERPT);
  });

  it('carries the moves that are left of a run, a range of them in two bytes or so', () => {
    const moves = new Map([
      [1, [0, 1, 2, 3, 17]],
      [3, []],
    ]);
    const one: Token = { ...SAMPLE, plan: { overrides: [{ actor: 1, op: 30, next: 0 }], kept: moves } };
    expect(parseToken(formatToken(one))).toEqual(one);
    const all = formatToken({ ...one, plan: { overrides: [{ actor: 1, op: 30, next: 0 }] } });
    expect(formatToken(one).length - all.length).toBeLessThanOrEqual(14);
  });

  it('that would keep millions of moves is refused', () => {
    const moves = Array.from({ length: 400_000 }, (_, move) => move);
    const huge = new Map([0, 1, 2].map((actor) => [actor, moves]));
    const text = formatToken({ ...SAMPLE, plan: { overrides: [], kept: huge } });
    expect(text.length).toBeLessThan(100);
    expect(() => parseToken(text)).toThrow('it has too many moves');
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

describe('the counts of an excerpt', () => {
  it('are exact below 32, never too small, and at most a sixteenth too large up to half a million', () => {
    for (let value = 0; value < 32; value++) expect(rounded(value)).toBe(value);
    fc.assert(
      fc.property(fc.nat(507_904), (value) => {
        expect(rounded(value)).toBeGreaterThanOrEqual(value);
        expect(rounded(value)).toBeLessThanOrEqual(value * (1 + 1 / 16));
        expect(rounded(rounded(value))).toBe(rounded(value));
      }),
    );
    expect(rounded(10_000_000)).toBe(507_904);
  });

  it('are refused where they end early, name an actor that is not there or are of no known kind', () => {
    const events = { ...lengthOnly({ decisions: 1, length: 1 }), events: [1, 1], parents: [-1, 0] };
    const read = (excerpt: Excerpt): Excerpt => {
      const bytes = new ByteWriter();
      writeExcerpt(bytes, excerpt);
      return readExcerpt(new ByteReader(bytes.base64));
    };
    expect(read(events)).toEqual(events);
    expect(() => read({ ...events, parents: [-1, 2] })).toThrow(BytesError);
    expect(() => readExcerpt(new ByteReader(new ByteWriter().byte(8).base64))).toThrow(/no known kind/);
    expect(() => readExcerpt(new ByteReader(new ByteWriter().byte(1).byte(0).base64))).toThrow(
      /ends too early/,
    );
    const many = new ByteWriter().byte(1).byte(0).byte(0).varint(1e9);
    expect(() => readExcerpt(new ByteReader(many.base64))).toThrow(/too many actors/);
  });
});
