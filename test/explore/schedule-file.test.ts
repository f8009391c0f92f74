import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fnv1a } from '../../src/explore/bytes.ts';
import { BLOCK, MAX_LOGGED, type LoggedStep } from '../../src/explore/operation-log.ts';
import { formatSchedule, hashText, type ScheduleFile } from '../../src/explore/schedule-file.ts';
import { MAX_SCHEDULE_BYTES, parseSchedule, ScheduleFileError } from '../../src/explore/schedule-reader.ts';

const GOLDEN = readFileSync(new URL('../fixtures/schedules/golden-1.schedule', import.meta.url));

const step = (i: number): LoggedStep => ({
  actor: (i >> 2) % 3,
  op: i % 15,
  word: 1000 + 37 * i,
  check: (i * 613) % 4096,
});

const SAMPLE: ScheduleFile = {
  scenario: 'nx-partial-reuse',
  variants: ['p2', './my ideas/late-flush.ts'],
  given: { vcpus: '3' },
  resolved: { vcpus: '3', memory: '65536', preempt: 'full' },
  without: ['D24'],
  idle: [2],
  kept: new Map(),
  actors: ['migration', 'L2 vCPU 0', 'L2 vCPU 1'],
  foundBy: 'pct:5',
  seed: 'a seed',
  schedule: 1234,
  machine: 0xdecbd383,
  boot: 7,
  violation: 'Q35',
  preemptions: 2,
  fingerprint: 0x6c73dd14,
  steps: 70,
  overrides: [
    { actor: -1, op: 0, next: 1 },
    { actor: 1, op: 300, next: 0 },
  ],
  log: { steps: Array.from({ length: 70 }, (_, i) => step(i)), blocks: [0x01234567, 0xfedcba98] },
};

const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');
/** The text with a right checksum, whatever was done to it. */
const resealed = (text: string): Uint8Array => {
  const body = text.slice(0, text.lastIndexOf('end '));
  return bytes(`${body}end ${hashText(fnv1a(body))}\n`);
};

const name = fc.stringMatching(/^[a-z][A-Za-z0-9]{0,8}$/).filter((text) => text !== '__proto__');
const file = fc
  .record({
    scenario: fc.string({ minLength: 1, maxLength: 12, unit: 'binary' }),
    variants: fc.array(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 }),
    given: fc.dictionary(name, fc.string({ maxLength: 8 }), { maxKeys: 3, noNullPrototype: true }),
    resolved: fc.dictionary(name, fc.string({ maxLength: 8 }), {
      minKeys: 1,
      maxKeys: 3,
      noNullPrototype: true,
    }),
    without: fc.array(fc.stringMatching(/^[A-Z][0-9]{1,2}$/), { maxLength: 3 }),
    actors: fc.array(fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }), {
      minLength: 1,
      maxLength: 5,
    }),
    foundBy: fc.string({ minLength: 1, maxLength: 8 }),
    seed: fc.string({ minLength: 1, maxLength: 20 }),
    schedule: fc.nat(2 ** 31 - 1),
    machine: fc.nat(0xffffffff),
    boot: fc.nat(0xffffffff),
    violation: fc.constantFrom('Q35', 'clean', 'deadlock'),
    preemptions: fc.nat(1000),
    fingerprint: fc.nat(0xffffffff),
    steps: fc.nat(200),
    moves: fc.array(
      fc.uniqueArray(fc.nat(300), { maxLength: 12 }).map((numbers) => numbers.sort((a, b) => a - b)),
      { maxLength: 3 },
    ),
    draws: fc.array(fc.tuple(fc.nat(63), fc.nat(14), fc.nat(2 ** 31 - 1), fc.nat(4095)), {
      minLength: 200,
      maxLength: 200,
    }),
  })
  .map(({ draws, moves, ...rest }): ScheduleFile => {
    const { length } = rest.actors;
    return {
      ...rest,
      idle: [length - 1],
      kept: new Map(moves.slice(0, length).map((numbers, actor) => [actor, numbers])),
      overrides: draws
        .slice(0, 3)
        .map(([actor, , op, next]) => ({ actor: (actor % length) - (actor % 2), op, next: next % length })),
      log: {
        steps: draws
          .slice(0, rest.steps)
          .map(([actor, op, word, check]) => ({ actor: actor % length, op, word, check })),
        blocks: Array.from({ length: Math.ceil(rest.steps / BLOCK) }, (_, i) => draws[i]![2]),
      },
    };
  });

describe('a schedule file', () => {
  it('is what it was when the format was fixed', () => {
    expect(formatSchedule(SAMPLE)).toBe(GOLDEN.toString('utf8'));
    expect(parseSchedule(GOLDEN)).toEqual(SAMPLE);
  });

  it('reads back as it was written', () => {
    fc.assert(
      fc.property(file, (one) => {
        expect(parseSchedule(bytes(formatSchedule(one)))).toEqual(one);
      }),
      { numRuns: 60 },
    );
  });

  it('keeps hashes alone of steps beyond what it logs', () => {
    const steps = MAX_LOGGED + 100;
    const blocks = Array.from({ length: Math.ceil(steps / BLOCK) }, (_, i) => i);
    const log = { steps: Array.from({ length: MAX_LOGGED }, (_, i) => step(i)), blocks };
    const long = { ...SAMPLE, steps, log };
    const text = formatSchedule(long);
    expect(text.length).toBeLessThan(MAX_SCHEDULE_BYTES);
    expect(parseSchedule(bytes(text)).log.steps.length).toBe(MAX_LOGGED);
  });

  it('is refused in one line wherever it is cut off', () => {
    for (let length = 0; length < GOLDEN.length; length += 7) {
      const cut = (): ScheduleFile => parseSchedule(GOLDEN.subarray(0, length));
      expect(cut).toThrow(ScheduleFileError);
      expect(cut).toThrow(/^[^\n]+$/);
    }
  });

  it('is refused when a byte is changed', () => {
    for (let at = 0; at < GOLDEN.length - 1; at += 5) {
      const changed = Buffer.from(GOLDEN);
      changed[at] = changed[at] === 0x31 ? 0x32 : 0x31;
      expect(() => parseSchedule(changed), `byte ${at}`).toThrow(ScheduleFileError);
    }
  });

  it('of another version is named as such', () => {
    const text = GOLDEN.toString('utf8');
    const of = (version: string) => (): ScheduleFile =>
      parseSchedule(bytes(text.replace('splitstorm-schedule 1', `splitstorm-schedule ${version}`)));
    expect(of('0')).toThrow('it has format 0, of an older version; this one reads format 1');
    expect(of('2')).toThrow('it has format 2, of a newer version; this one reads format 1');
    expect(of('x')).toThrow('line 1: "x" is no version of the format');
  });

  it('that is none, not UTF-8 or huge is refused', () => {
    expect(() => parseSchedule(bytes('hello'))).toThrow('it is no schedule file');
    expect(() => parseSchedule(new Uint8Array())).toThrow('it is no schedule file');
    const broken = Buffer.concat([GOLDEN.subarray(0, 60), Buffer.from([0xff, 0xfe]), GOLDEN.subarray(62)]);
    expect(() => parseSchedule(broken)).toThrow('it is not UTF-8');
    expect(() => parseSchedule(new Uint8Array(MAX_SCHEDULE_BYTES + 1))).toThrow(/more than the \d+ bytes/);
  });

  it.each([
    [
      'schedule 1234',
      'schedule 99999999999',
      /^line 11: schedule: "99999999999" given, allowed is an integer/,
    ],
    ['schedule 1234', 'schedule -1', /^line 11: schedule: "-1" given/],
    ['machine decbd383', 'machine decbd38', /^line 12: machine: "decbd38" given, allowed are eight/],
    ['idle 2', 'idle 3', /there is no actor 3, the last is 2/],
    ['idle 2', 'idle 2\nmoves 3:1', /there is no actor 3, the last is 2/],
    ['idle 2', 'idle 2\nmoves 1:5-3', /^line 8: moves: "3" given, allowed is an integer from 5/],
    ['idle 2', 'idle 2\nmoves 1:3,3', /^line 8: moves: "3" given, allowed is an integer from 4/],
    ['idle 2', 'idle 2\nmoves 1', /^line 8: moves: ACTOR:RANGES expected, "1" given/],
    ['1 300 0', '1 300 7', /^line 20: next actor: "7" given, allowed is an integer from 0 to 2/],
    ['1 300 0', '1 300', /^line 20: ACTOR OP NEXT expected, "1 300" given/],
    ['blocks 2', 'blocks 3', /^line 21: 3 blocks given, 70 steps have 2/],
    ['steps 70', 'steps 130', /2 blocks given, 130 steps have 3/],
    ['given vcpus=3', 'given Vcpus', /^line 4: given: "Vcpus" given, allowed is NAME=VALUE/],
    ['seed a%20seed', 'seed %', /^line 10: seed: "%" is no escaped text/],
    ['actors migration', 'actresses migration', /^line 8: actors expected, "actresses/],
  ])('with %s made %s says where', (from, to, message) => {
    const text = GOLDEN.toString('utf8');
    expect(text).toContain(from);
    expect(() => parseSchedule(resealed(text.replace(from, to)))).toThrow(message);
  });
});
