import { describe, expect, it } from 'vitest';
import { ScenarioError, validateMachine, validateScenario } from '../../src/scenario/validate.ts';

const SCENARIO = { name: 'ok-1', summary: 's', about: '', facts: [], machine: () => ({}) };
const MAPPING = { l2Gfn: 0, l1Gfn: 32, level: 2, count: 1 };
const MACHINE = { roots: [{ name: 'L2', mappings: [MAPPING] }], populate: 'all' };
const withMapping = (change: object): object => ({
  ...MACHINE,
  roots: [{ name: 'L2', mappings: [{ ...MAPPING, ...change }] }],
});

describe('validateScenario', () => {
  it('gives back what it was given, functions and all', () => {
    expect(validateScenario(SCENARIO, 'x')).toBe(SCENARIO);
    const rich = {
      ...SCENARIO,
      defaults: { memory: '1G' },
      explore: { vcpus: 1 },
      actors: { one: () => undefined },
      parameters: { aliases: { type: 'integer', describe: '', min: 1, max: 2, default: 1 } },
    };
    expect(validateScenario(rich, 'x')).toBe(rich);
  });

  it.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /the scenario in here is not valid:\n {2}\(the whole\): /],
    ['a string', 'nested', /\(the whole\): /],
    ['an unknown key', { ...SCENARIO, actor: {} }, /actor/],
    [
      'a name with spaces',
      { ...SCENARIO, name: 'Two Roots' },
      / {2}name: must be lower-case letters, digits and hyphens/,
    ],
    ['no machine', { ...SCENARIO, machine: undefined }, / {2}machine: must be a function/],
    ['facts that are no list', { ...SCENARIO, facts: 'Q1' }, / {2}facts: /],
    ['a default that is an object', { ...SCENARIO, defaults: { vcpus: {} } }, / {2}defaults\.vcpus: /],
    [
      'a parameter of no type',
      { ...SCENARIO, parameters: { n: { type: 'float', describe: '' } } },
      / {2}parameters\.n\.type: /,
    ],
    [
      'a parameter without a range',
      { ...SCENARIO, parameters: { n: { type: 'integer', describe: '', default: 1 } } },
      / {2}parameters\.n\.min: /,
    ],
    [
      'an actor that is no function',
      { ...SCENARIO, actors: { one: 1 } },
      / {2}actors\.one: must be a function/,
    ],
  ])('refuses %s with the path of the field', (_what, candidate, message) => {
    expect(() => validateScenario(candidate, 'here')).toThrow(ScenarioError);
    expect(() => validateScenario(candidate, 'here')).toThrow(message);
  });

  it('names all the fields at once', () => {
    expect(() => validateScenario({ ...SCENARIO, name: '', summary: 3 }, 'here')).toThrow(
      /name: [^\n]*\n {2}summary: /,
    );
  });
});

describe('validateMachine', () => {
  it('gives back what it was given', () => {
    for (const machine of [
      MACHINE,
      {
        ...MACHINE,
        populate: [{ access: 'exec', l2Gfn: 3, count: 2, stride: 4 }],
        tables: 'migrated-slot',
        migration: false,
        actors: [{ name: 'a', options: { x: 1 } }],
      },
    ]) {
      expect(validateMachine(machine, 'x')).toBe(machine);
    }
  });

  it.each<[string, unknown, RegExp]>([
    ['no roots', { ...MACHINE, roots: [] }, / {2}roots: /],
    ['five roots', { ...MACHINE, roots: Array.from({ length: 5 }, () => MACHINE.roots[0]) }, / {2}roots: /],
    [
      'a root that maps nothing',
      { ...MACHINE, roots: [{ name: 'L2', mappings: [] }] },
      / {2}roots\.0\.mappings: /,
    ],
    ['a level of 4', withMapping({ level: 4 }), / {2}roots\.0\.mappings\.0\.level: /],
    ['a negative gfn', withMapping({ l2Gfn: -1 }), / {2}roots\.0\.mappings\.0\.l2Gfn: /],
    ['half a page', withMapping({ l1Gfn: 0.5 }), / {2}roots\.0\.mappings\.0\.l1Gfn: /],
    ['a count of 0', withMapping({ count: 0 }), / {2}roots\.0\.mappings\.0\.count: /],
    ['a permission that is none', withMapping({ perm: 'x' }), / {2}roots\.0\.mappings\.0\.perm: /],
    ['a key that is none', withMapping({ writable: true }), /roots\.0\.mappings\.0: .*writable/],
    ['an access that is none', { ...MACHINE, populate: [{ access: 'fetch', l2Gfn: 0 }] }, / {2}populate/],
    ['tables elsewhere', { ...MACHINE, tables: 'nowhere' }, / {2}tables: /],
    ['an actor without a name', { ...MACHINE, actors: [{}] }, / {2}actors\.0\.name: /],
  ])('refuses %s with the path of the field', (_what, candidate, message) => {
    expect(() => validateMachine(candidate, 'mine')).toThrow(ScenarioError);
    expect(() => validateMachine(candidate, 'mine')).toThrow(/^the machine of scenario mine is not valid:/);
    expect(() => validateMachine(candidate, 'mine')).toThrow(message);
  });
});
