import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parseOutcome, toJson, outcomeJsonSchema } from '../../src/report/json.ts';
import { D6_VIOLATION, sampleOutcome, sampleStatistics } from './sample.ts';

const file = new URL('../../schema/outcome.schema.json', import.meta.url);
const schema = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
const validate = new Ajv2020({
  strict: true,
  allowUnionTypes: true,
  allErrors: true,
  formats: { 'date-time': true },
}).compile(schema);

type Json = Record<string, unknown>;
const document = (over: Parameters<typeof sampleOutcome>[0] = {}): Json =>
  JSON.parse(toJson(sampleOutcome(over))) as Json;

/** Every place in a schema that describes a property. */
function properties(node: unknown, path = ''): [string, Json][] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) => {
    const own =
      key === 'properties'
        ? Object.entries(value as Json).map(([name, child]): [string, Json] => [
            `${path}/${name}`,
            child as Json,
          ])
        : [];
    return [...own, ...properties(value, `${path}/${key}`)];
  });
}

describe('schema/outcome.schema.json', () => {
  it('is current; if not: node --import tsx scripts/generate-schema.ts', () => {
    expect(readFileSync(file, 'utf8')).toBe(outcomeJsonSchema());
  });

  it('is draft 2020-12 and describes every field', () => {
    expect(schema['$schema']).toBe('https://json-schema.org/draft/2020-12/schema');
    const all = properties(schema);
    expect(all.length).toBeGreaterThan(150);
    expect(all.filter(([, child]) => typeof child['description'] !== 'string').map(([path]) => path)).toEqual(
      [],
    );
  });

  it('accepts outcomes of every kind', () => {
    const explored = document({
      kind: 'explore',
      verdict: 'violation',
      exitStatus: 1,
      violations: [D6_VIOLATION],
      statistics: sampleStatistics('steps'),
      traceHash: 'deadbeef',
      exploration: { strategy: 'random-walk', schedules: 3, steps: 100, truncated: 0 },
      actors: [{ name: 'x', class: 'other', status: 'hung', error: 'y' }],
    });
    for (const value of [document(), explored]) {
      validate(value);
      expect(validate.errors).toBeNull();
    }
  });

  it.each<[string, (value: Json) => unknown]>([
    ['another version', (value) => (value['schemaVersion'] = 2)],
    ['a verdict that does not exist', (value) => (value['verdict'] = 'fine')],
    ['a missing field', (value) => delete value['violations']],
    ['a misspelt field', (value) => (value['treads'] = 1)],
    ['a misspelt field inside', (value) => ((value['runtime'] as Json)['treads'] = 1)],
    [
      'a missing counter',
      (value) => delete (((value['statistics'] as Json)['counters'] as Json)['total'] as Json)['splitOk'],
    ],
    [
      'a class that does not exist',
      (value) => (((value['statistics'] as Json)['counters'] as Json)['byClass'] = { x: {} }),
    ],
    ['a number where there was none', (value) => (value['durationMs'] = Number.NaN)],
    ['a negative count', (value) => ((value['checks'] as Json)['stops'] = -1)],
  ])('refuses %s, as parseOutcome does', (_name, damage) => {
    const value = document();
    damage(value);
    const text = JSON.stringify(value);
    expect(validate(JSON.parse(text))).toBe(false);
    expect(() => parseOutcome(text)).toThrow(expect.objectContaining({ name: 'OutcomeFormatError' }));
  });
});

describe('toJson and parseOutcome', () => {
  it('round-trip', () => {
    const outcome = sampleOutcome({ violations: [D6_VIOLATION] });
    expect(parseOutcome(toJson(outcome))).toEqual(outcome);
    expect(toJson(outcome).endsWith('}\n')).toBe(true);
  });

  it('name the field that is wrong', () => {
    expect(() => parseOutcome(JSON.stringify({ ...document(), seed: 42 }))).toThrow(
      /expected string[^]*seed/,
    );
    expect(() => parseOutcome('{')).toThrow(/^no JSON/);
  });
});
