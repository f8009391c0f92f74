// Casts and features that cannot be in the machine they are given.
import { describe, expect, it } from 'vitest';
import type { MachineSpec } from '../../src/scenario/define.ts';
import { ParameterError } from '../../src/scenario/parameters.ts';
import { ScenarioError } from '../../src/scenario/validate.ts';
import { identity, machineOf, type Given } from '../support/machines.ts';

const machine = (more: Partial<MachineSpec>, given: Given = {}): unknown =>
  machineOf((units) => ({ ...identity(2, [])(units), ...more }), { backing: '2m', ...given });

type Refusal = readonly [
  what: string,
  more: Partial<MachineSpec>,
  given: Given,
  type: new (...args: never[]) => Error,
  says: RegExp,
];

const REFUSED: readonly Refusal[] = [
  [
    'NPT without A and D bits',
    {},
    { format: 'npt', hostAdBits: false },
    ParameterError,
    /^hostAdBits: false given, allowed is true with npt/,
  ],
  [
    "a root of L1's own under the TDP MMU",
    { roots: [{ name: 'L1', guestMode: false, mappings: [{ l2Gfn: 0, l1Gfn: 32, level: 2, count: 1 }] }] },
    {},
    ScenarioError,
    /roots\.0\.guestMode: false given, allowed is true unless tdpMmu is off$/,
  ],
  [
    'a cast on a slot that is none',
    { cast: [{ kind: 'log-toggle', slots: [1, 2] }] },
    {},
    ScenarioError,
    /cast\.0\.slots: 2 given, allowed are the memslots 0 to 1$/,
  ],
  [
    'changes of memslots without an extra slot',
    { cast: [{ kind: 'memslots' }] },
    {},
    ScenarioError,
    /cast\.0: memslots given, allowed is that with an extra slot \(extraSlots\)$/,
  ],
  [
    'deleting the slot that is migrated',
    { cast: [{ kind: 'memslots', slots: [1, 2] }], extraSlots: [{ pages: 4 }] },
    {},
    ScenarioError,
    /cast\.0\.slots: 1, 2 given, allowed are extra slots, 2 to 2$/,
  ],
  [
    'an L1 vCPU in the cast and none in the machine',
    { cast: [{ kind: 'l1-vcpu' }] },
    {},
    ParameterError,
    /^l1Vcpus: 0 given, allowed is 1 or more: test has L1 itself act$/,
  ],
  [
    'the end of a VM that is never migrated',
    { cast: [{ kind: 'vm-teardown', rounds: 1 }], migration: false },
    {},
    ScenarioError,
    /cast\.0: vm-teardown given, allowed is that with a migration, at whose end the VM goes$/,
  ],
  [
    'a cast that nothing ends',
    { cast: [{ kind: 'log-toggle' }], migration: false },
    { castRounds: 0 },
    ParameterError,
    /^castRounds: 0 given, allowed is 1 or more: without a migration/,
  ],
  [
    'swarm testing of nobody',
    {},
    { swarm: 0.5 },
    ParameterError,
    /^swarm: 0.5 given, allowed is 0: test has no further actor/,
  ],
];

describe('a cast that cannot be is refused', () => {
  it.each(REFUSED)('%s', (_what, more, given, type, says) => {
    expect(() => machine(more, given)).toThrow(type);
    expect(() => machine(more, given)).toThrow(says);
  });

  it('and what is close to it is not', () => {
    const own = { cast: [{ kind: 'log-toggle' as const }], migration: false, actors: [{ name: 'mine' }] };
    expect(() => machine({}, { format: 'npt' })).not.toThrow();
    expect(() => machine({}, { hostAdBits: false })).not.toThrow();
    expect(() => machine(own, { castRounds: 0 })).not.toThrow();
    expect(() =>
      machine({ cast: [{ kind: 'log-toggle', rounds: 3 }], migration: false }, { castRounds: 0 }),
    ).not.toThrow();
    expect(() => machine({ cast: [{ kind: 'log-toggle' }] }, { swarm: 0.5 })).not.toThrow();
  });
});
