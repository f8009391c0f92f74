// What could run but would test nothing, or not what it says.
import { describe, expect, it } from 'vitest';
import { machineNotes, refuseSenseless } from '../../src/campaign/refusals.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { ParameterError } from '../../src/scenario/parameters.ts';
import type { MachineSpec } from '../../src/scenario/define.ts';
import { identity, machineOf, rootOf, type Given } from '../support/machines.ts';

const refuse = (given: Given, more: Partial<MachineSpec> = {}): void =>
  refuseSenseless(
    machineOf((units) => ({ ...identity(2, [])(units), ...more }), { backing: '2m', ...given }),
    P1_ENGINE,
  );

describe('a machine that would test nothing is refused', () => {
  it.each<[string, () => void, RegExp]>([
    [
      'one in which nobody writes',
      () => refuse({ writeFraction: 0 }),
      /^writeFraction: 0 given, allowed is more than 0 .*: nobody would write/,
    ],
    [
      'one in which nobody may write',
      () =>
        refuseSenseless(
          machineOf(rootOf(({ base }) => [{ l2Gfn: 0, l1Gfn: base, level: 2, count: 1, perm: 'rx' }])),
          P1_ENGINE,
        ),
      /^writeFraction: 0.5 given/,
    ],
    ['PML without L1', () => refuse({ pml: 4 }), /^pml: 4 given, allowed is 0 without an L1 vCPU/],
    [
      'a dirty ring whose bitmap is cleared by hand',
      () => refuse({ dirtyRing: 16, manual: 'manual' }),
      /^manual: "manual" given, allowed is off with a dirty ring/,
    ],
    [
      'eager splitting that the engine refuses itself',
      () => refuse({ tdpMmu: false }),
      /^tdpMmu: false given, allowed is true, or eager off/,
    ],
    [
      'NX recovery without NX',
      () => refuse({ nx: false }, { cast: [{ kind: 'nx-recovery' }] }),
      /^nx: false given, allowed is true with nx-recovery/,
    ],
    [
      'one whose only writer stays away',
      () => refuse({ writeFraction: 0, l1Vcpus: 1, swarm: 1 }, { cast: [{ kind: 'l1-vcpu' }] }),
      /^writeFraction: 0 given/,
    ],
    [
      'a cast that stays away',
      () => refuse({ swarm: 1, l1Vcpus: 1 }, { cast: [{ kind: 'l1-vcpu' }] }),
      /^swarm: 1 given, allowed is less than 1: nobody of the cast/,
    ],
    ['vCPUs without memory', () => refuse({ enomemRate: 1 }), /^enomemRate: 1 given, allowed is less than 1/],
    ['vCPUs that only fault', () => refuse({ spuriousFaultRate: 1 }), /^spuriousFaultRate: 1 given/],
    [
      'split workers without a split',
      () => refuse({ splitters: 2, eager: false, memory: '32K' }),
      /^splitters: 2 given, allowed is 1 with eager off/,
    ],
    [
      'a ratio of nothing',
      () => refuse({ nxRecoveryRatio: 3 }),
      /^nxRecoveryRatio: 3 given, allowed is 60, or nx on/,
    ],
  ])('%s', (_what, build, says) => {
    expect(build).toThrow(ParameterError);
    expect(build).toThrow(says);
  });

  it('and what is close to it is not', () => {
    expect(() => refuse({ writeFraction: 0, l1Vcpus: 1 })).not.toThrow();
    expect(() => refuse({ writeFraction: 0 }, { actors: [{ name: 'writer' }] })).not.toThrow();
    expect(() => refuse({ pml: 4, l1Vcpus: 1 })).not.toThrow();
    expect(() => refuse({ dirtyRing: 16 })).not.toThrow();
    expect(() => refuse({ tdpMmu: false, eager: false })).not.toThrow();
    expect(() => refuse({ nx: true }, { cast: [{ kind: 'nx-recovery' }] })).not.toThrow();
  });
});

describe('a range backend is not refused but noted', () => {
  const notes = (given: Given, more: Partial<MachineSpec> = {}): string[] =>
    machineNotes(machineOf((units) => ({ ...identity(2, [])(units), ...more }), { backing: '2m', ...given }));

  it('with H-K where L1 does not map one to one, or changes what it maps', () => {
    const aliased = rootOf(({ base }) => [{ l2Gfn: 0, l1Gfn: base, level: 2, count: 1 }]);
    expect(machineNotes(machineOf(aliased, { backing: '2m', flushBackend: 'range-l1' }))[0]).toContain('H-K');
    expect(notes({ flushBackend: 'range-l1', l1Vcpus: 1 })[0]).toContain('H-K');
    expect(notes({ flushBackend: 'range-l1' }).join()).not.toContain('H-K');
    const writes = { cast: [{ kind: 'l1-vcpu' as const, weights: { read: 1, write: 1 } }] };
    expect(notes({ flushBackend: 'range-l1', l1Vcpus: 1 }, writes).join()).not.toContain('H-K');
  });

  it('with H-E whatever range it takes, and never where flushes are full', () => {
    expect(notes({ flushBackend: 'range-l2' })).toHaveLength(1);
    expect(notes({ flushBackend: 'range-l2' })[0]).toContain('H-E');
    expect(notes({})).toEqual([]);
  });
});
