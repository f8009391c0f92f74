import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  COMMON_PARAMETERS,
  describeAllowed,
  EXPLORE_DEFAULTS,
  formatSize,
  ParameterError,
  parseParameter,
  parseSize,
  type Parameter,
} from '../../src/scenario/parameters.ts';
import { holds } from '../support/property.ts';

describe('sizes', () => {
  it.each([
    ['4096', 4096],
    ['64K', 65_536],
    ['64k', 65_536],
    ['64KiB', 65_536],
    ['1.5M', 1_572_864],
    [' 16 G ', 2 ** 34],
    ['1TB', 2 ** 40],
  ])('%s is %i bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'K', '-4K', '4 Q', '4KK', '1e3', '0x10', '4,5M'])(
    '%j is refused with its path and an example',
    (text) => {
      expect(() => parseSize(text, 'memory')).toThrow(
        new ParameterError('memory', text, 'a size such as 64K, 512M or 16G'),
      );
    },
  );

  it('written out are read back', () => {
    holds(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 40 }),
        fc.constantFrom(1, 1024, 4096, 2 ** 20, 2 ** 30),
        (n, unit) => {
          const bytes = Math.min(n * unit, 2 ** 50);
          expect(parseSize(formatSize(bytes))).toBe(bytes);
        },
      ),
    );
    expect([formatSize(2 ** 30), formatSize(1536 * 1024), formatSize(1025)]).toEqual(['1G', '1536K', '1025']);
  });
});

const PARAMETERS: Readonly<Record<string, Parameter>> = {
  count: { type: 'integer', min: 1, max: 64, default: 4, describe: '' },
  rate: { type: 'number', min: 0, max: 1, default: 0, describe: '' },
  memory: { type: 'size', min: 16_384, max: 2 ** 30, default: 65_536, describe: '' },
  flag: { type: 'boolean', default: false, describe: '' },
  kind: { type: 'choice', choices: ['ept', 'npt'], default: 'ept', describe: '' },
};

function valueOrError(parameter: Parameter, given: unknown, path: string): unknown {
  try {
    return parseParameter(parameter, given, path);
  } catch (error) {
    return error;
  }
}

describe('a parameter', () => {
  it.each<[string, unknown, unknown]>([
    ['count', '7', 7],
    ['count', 64, 64],
    ['count', ' 1 ', 1],
    ['rate', '.25', 0.25],
    ['rate', '1e-3', 0.001],
    ['memory', '64K', 65_536],
    ['memory', 16_384, 16_384],
    ['flag', 'true', true],
    ['flag', false, false],
    ['kind', 'npt', 'npt'],
  ])('%s takes %j', (name, given, value) => {
    expect(parseParameter(PARAMETERS[name]!, given, name)).toBe(value);
  });

  it.each<[string, unknown, string]>([
    ['count', 0, 'count: 0 given, allowed is an integer from 1 to 64'],
    ['count', '65', 'count: "65" given, allowed is an integer from 1 to 64'],
    ['count', '2.5', 'count: "2.5" given, allowed is an integer'],
    ['count', '', 'count: "" given'],
    ['count', '7 apples', 'count: "7 apples" given'],
    ['count', '1.2.3', 'count: "1.2.3" given'],
    ['count', null, 'count: null given'],
    ['count', true, 'count: true given'],
    ['rate', 'NaN', 'rate: "NaN" given, allowed is a number from 0 to 1'],
    ['rate', Number.NaN, 'rate: null given'],
    ['rate', Infinity, 'allowed is a number from 0 to 1'],
    ['rate', -0.1, 'rate: -0.1 given'],
    ['memory', '20001', 'memory: "20001" given, allowed is a size from 16K to 1G in whole 4K pages'],
    ['memory', '12K', 'memory: "12K" given, allowed is a size from 16K'],
    ['memory', '2G', 'memory: "2G" given, allowed is a size from 16K to 1G'],
    ['memory', {}, 'memory: {} given'],
    ['memory', Number.NaN, 'memory: null given'],
    ['flag', 'yes', 'flag: "yes" given, allowed is true or false'],
    ['flag', 1, 'flag: 1 given'],
    ['kind', 'EPT', 'kind: "EPT" given, allowed is one of ept, npt'],
    ['kind', 3, 'kind: 3 given'],
  ])('%s refuses %j: path, what was given, what is allowed', (name, given, message) => {
    const parse = (): unknown => parseParameter(PARAMETERS[name]!, given, name);
    expect(parse).toThrow(ParameterError);
    expect(parse).toThrow(message);
  });

  it('never lets a value through that it would describe as not allowed', () => {
    holds(
      fc.property(
        fc.constantFrom(...Object.keys(PARAMETERS)),
        fc.oneof(fc.string(), fc.double(), fc.integer(), fc.boolean()),
        (name, given) => {
          const parameter = PARAMETERS[name]!;
          const value = valueOrError(parameter, given, name);
          const [min, max] = 'min' in parameter ? [parameter.min, parameter.max] : [-1, -1];
          expect(value).toSatisfy(
            (v: unknown) =>
              (v instanceof ParameterError && v.path === name) ||
              (parseParameter(parameter, v, name) === v && (typeof v !== 'number' || (v >= min && v <= max))),
          );
        },
      ),
      300,
    );
  });
});

describe('the common parameters', () => {
  it('have defaults that they allow, and descriptions', () => {
    for (const [name, parameter] of Object.entries(COMMON_PARAMETERS)) {
      expect(parseParameter(parameter, parameter.default, name)).toBe(parameter.default);
      expect(parameter.describe.length).toBeGreaterThan(5);
      expect(describeAllowed(parameter)).not.toBe('');
    }
  });

  it('have defaults for exploration that they allow', () => {
    for (const [name, value] of Object.entries(EXPLORE_DEFAULTS)) {
      expect(parseParameter(COMMON_PARAMETERS[name as keyof typeof COMMON_PARAMETERS], value, name)).toBe(
        value,
      );
    }
  });
});
