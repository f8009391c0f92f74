import { describe, expect, it } from 'vitest';
import { ArenaError } from '../../src/arena/errors.ts';
import { computeLayout } from '../../src/arena/layout.ts';
import {
  buildMachine,
  layoutThatFits,
  resolveParameters,
  scenarioParameters,
} from '../../src/scenario/build.ts';
import { defineScenario, type MachineSpec, type MappingSpec, type Units } from '../../src/scenario/define.ts';
import { ParameterError } from '../../src/scenario/parameters.ts';
import { ScenarioError } from '../../src/scenario/validate.ts';
import { REQ_TLB_FLUSH, VCPU } from '../../src/mmu/vcpu-words.ts';
import { Bench, identity, leaves, machineOf, rootOf } from '../support/machines.ts';

const scenario = defineScenario({
  name: 'mine',
  summary: 's',
  about: '',
  facts: [],
  defaults: { memory: '1G', vcpus: 3 },
  explore: { memory: '64K', size: 7 },
  parameters: { size: { type: 'integer', min: 1, max: 9, default: 5, describe: 'a size' } },
  machine: (p, units): MachineSpec =>
    identity(2, [{ access: 'read', l2Gfn: units.base, count: Number(p['size']) }])(units),
});

describe('what has happened before the actors start', () => {
  const pages = (populate: MachineSpec['populate']): readonly number[] => {
    const { kvm } = new Bench(
      machineOf(
        rootOf(({ base }) => [{ l2Gfn: base, l1Gfn: base, level: 2, count: 1 }], populate),
        { backing: '2m', memory: '16K', vcpus: 1 },
      ),
    );
    return [leaves(kvm, 2).length, leaves(kvm, 1).length, kvm.w[kvm.vcpuWord(0) + VCPU.requests]!];
  };
  const base = 32;
  const write = { access: 'write', l2Gfn: base } as const;

  it('may be a cycle of the dirty log, which leaves nothing mapped, and a flush for the vCPU to honour', () => {
    expect(pages([write])).toEqual([1, 0, 0]);
    expect(pages([write, { logCycle: 1 }])).toEqual([0, 0, REQ_TLB_FLUSH]);
  });

  it('an access finds what the TLB has, unless the vCPU enters the guest first', () => {
    expect(pages([write, { logCycle: 1 }, write])).toEqual([0, 0, REQ_TLB_FLUSH]);
    expect(pages([write, { logCycle: 1 }, { ...write, enters: true }]).slice(0, 2)).toEqual([1, 0]);
  });

  it('cannot be a cycle of a memslot that is none', () => {
    expect(() => pages([{ logCycle: 7 }])).toThrow('populate: there is no memslot 7 to be logged');
  });
});

describe('the parameters of a scenario', () => {
  it('have its defaults, and under those for exploration the general and its own ones', () => {
    const [run, explore] = (['run', 'explore'] as const).map((purpose) =>
      resolveParameters(scenario, purpose, {}),
    );
    expect([run!.memory, run!.vcpus, run!['size'], run!.tableBits]).toEqual([2 ** 30, 3, 5, 9]);
    expect([explore!.memory, explore!.vcpus, explore!['size'], explore!.tableBits]).toEqual([
      65_536, 2, 7, 2,
    ]);
  });

  it('take what is given over every default', () => {
    const given = resolveParameters(scenario, 'explore', { size: '9', vcpus: 1, memory: '32K' });
    expect([given['size'], given.vcpus, given.memory]).toEqual([9, 1, 32_768]);
  });

  it('refuse names that are none, with the list of those that are', () => {
    expect(() => resolveParameters(scenario, 'run', { sizes: 1 })).toThrow(ParameterError);
    expect(() => resolveParameters(scenario, 'run', { sizes: 1 })).toThrow(
      /^sizes: 1 given, allowed is a parameter of mine: vcpus, memory, .*size$/,
    );
  });

  it('refuse a scenario whose defaults are no parameters or not allowed', () => {
    expect(() => scenarioParameters({ ...scenario, explore: { speed: 1 } }, 'explore')).toThrow(
      'scenario mine has a default for speed, which is no parameter',
    );
    expect(() => scenarioParameters({ ...scenario, defaults: { vcpus: 0 } }, 'run')).toThrow(
      'mine.vcpus: 0 given, allowed is an integer from 1 to 64',
    );
  });
});

describe('a machine', () => {
  it('has the actors of its parameters, in a fixed order, and plain data throughout', () => {
    const machine = buildMachine(scenario, 'explore', { splitters: 2, vcpus: 2, backing: '2m' });
    expect(machine.actors.map((actor) => actor.kind)).toEqual([
      'migration',
      'split-worker',
      'split-worker',
      'l2-vcpu',
      'l2-vcpu',
    ]);
    expect(structuredClone(machine)).toEqual(machine);
    expect(machine.dims.actors).toBe(5);
  });

  it('leaves the migration out on demand and takes actors of its own', () => {
    const machine = machineOf(
      (units) => ({
        ...identity(2, [])(units),
        migration: false,
        actors: [{ name: 'spoiler', options: { every: 3 } }, { name: 'other' }],
      }),
      { vcpus: 1 },
    );
    expect(machine.actors.map((actor) => actor.kind)).toEqual(['l2-vcpu', 'custom', 'custom']);
    expect(machine.actors[1]).toEqual({ kind: 'custom', name: 'spoiler', options: { every: 3 } });
  });

  it('has the migrated slot at a boundary of its largest page and the tables where they were asked for', () => {
    const own = machineOf(identity(2, []));
    expect([own.config.slots[1]!.baseGfn % 16, own.config.tableGfn, own.config.tablePages]).toEqual([
      0, 8, 2,
    ]);
    const inside = machineOf((units) => ({ ...identity(2, [])(units), tables: 'migrated-slot' }));
    expect(inside.config.tableGfn).toBe(inside.config.slots[1]!.baseGfn + inside.config.slots[1]!.npages - 2);
  });

  it('populates one access in every page that L1 maps, writing where L1 permits it', () => {
    const machine = machineOf(
      rootOf(({ base, huge2 }) => [
        { l2Gfn: 0, l1Gfn: base, level: 2, count: 3 },
        { l2Gfn: 16, l1Gfn: base + huge2, level: 1, count: 2, perm: 'rx' },
      ]),
    );
    expect(machine.populate).toEqual([
      { root: 0, access: 'write', l2Gfn: 0, count: 3, stride: 4 },
      { root: 0, access: 'read', l2Gfn: 16, count: 2, stride: 1 },
    ]);
  });
});

const mapped = (mapping: (base: number) => Partial<MappingSpec>) =>
  rootOf(({ base }) => [{ l2Gfn: 0, l1Gfn: base, level: 2, count: 1, ...mapping(base) }], []);

/** A second root that is a part of another. */
const within =
  (place: { root: number; l2Gfn: number }, level: 3 | 4) =>
  (units: Units): MachineSpec => {
    const spec = mapped(() => ({}))(units);
    return { ...spec, roots: [spec.roots[0]!, { ...spec.roots[0]!, name: 'inner', level, within: place }] };
  };

describe('a machine that cannot be is refused before anything runs', () => {
  it.each<[string, () => unknown, new (...args: never[]) => Error, RegExp]>([
    [
      'more splitters than huge pages to share',
      () => machineOf(identity(2), { splitters: 2 }),
      ParameterError,
      /^splitters: 2 given, allowed is at most 1: the slot has that many pages/,
    ],
    [
      'L2 addresses that the levels do not reach',
      () => machineOf(mapped(() => ({ l2Gfn: 64 }))),
      ScenarioError,
      /roots\.0\.mappings\.0 ends at L2 gfn 68, but 3 levels of 2 bits reach only 64/,
    ],
    [
      'a mapping beyond the memory',
      () => machineOf(mapped((base) => ({ l1Gfn: base + 12, count: 2 }))),
      ScenarioError,
      /roots\.0\.mappings\.0 maps L1 gfns 44 to 51, beyond the memory given/,
    ],
    [
      'a mapping into the gap between the slots',
      () => machineOf(mapped(() => ({ l1Gfn: 20 }))),
      ScenarioError,
      /maps L1 gfns 20 to 23, beyond the memory given/,
    ],
    [
      'a mapping over the gap between the slots',
      () => machineOf(mapped((base) => ({ l1Gfn: 8, level: 1, count: base - 4 }))),
      ScenarioError,
      /maps L1 gfns 8 to 35, beyond the memory given/,
    ],
    [
      'gfns that are no multiples of the page',
      () => machineOf(mapped(() => ({ l2Gfn: 2 }))),
      ScenarioError,
      /l2Gfn, l1Gfn and l1Step must be multiples of 4 at level 2/,
    ],
    [
      'steps that are no multiples of the page',
      () => machineOf(mapped(() => ({ l1Step: 2, count: 2 }))),
      ScenarioError,
      /must be multiples of 4 at level 2/,
    ],
    [
      'tables that do not fit below the slot',
      () => machineOf(identity(1), { memory: '512K', rootLevel: 4 }),
      ScenarioError,
      /^L1's \d+ tables do not fit below gfn 32; map with larger pages/,
    ],
    [
      'tables that do not fit into the slot',
      () =>
        machineOf(
          (units) => ({ ...mapped(() => ({ level: 1, count: 4 }))(units), tables: 'migrated-slot' }),
          { memory: '16K', rootLevel: 5 },
        ),
      ScenarioError,
      /^L1's 5 tables do not fit into 4 pages/,
    ],
    [
      'a root within one that comes later',
      () => machineOf(within({ root: 1, l2Gfn: 0 }, 3)),
      ScenarioError,
      /roots\.1\.within\.root: 1 given, allowed is an earlier root with tables of its own/,
    ],
    [
      'a root within another of as many levels',
      () => machineOf(within({ root: 0, l2Gfn: 0 }, 3), { rootLevel: 3 }),
      ScenarioError,
      /roots\.1\.level of scenario \S+: 3 given, allowed is less than 3, the levels of root 0/,
    ],
    [
      'a root where the other one has no table',
      () => machineOf(within({ root: 0, l2Gfn: 128 }, 3), { rootLevel: 4 }),
      ScenarioError,
      /roots\.1\.within\.l2Gfn: 128 given, allowed is where root 0 has a table of level 3/,
    ],
    [
      'a page limit that no fault could live with',
      () => machineOf(identity(2), { mmuPages: 7 }),
      ParameterError,
      /^mmuPages: 7 given, allowed is 0, or at least 8 for 1 roots of 3 levels/,
    ],
    [
      'an access through a root that is none',
      () => machineOf(identity(2, [{ access: 'read', l2Gfn: 32, root: 1 }])),
      ScenarioError,
      /^scenario test: populate\.0\.root: 1 given, allowed is 0 to 0$/,
    ],
    [
      'a machine description that is none',
      () => machineOf(() => ({ roots: [] }) as never),
      ScenarioError,
      /^the machine of scenario test is not valid/,
    ],
    [
      'more than indices can address',
      () => computeLayout(buildMachine(scenario, 'run', { memory: '1T' }).dims),
      ArenaError,
      /^the machine does not fit: .*can be addressed$/,
    ],
  ])('%s', (_what, build, type, message) => {
    expect(build).toThrow(type);
    expect(build).toThrow(message);
  });

  it('and one that does not fit into the memory allowed, with the sum of its parts', () => {
    const machine = buildMachine(scenario, 'run');
    const needed = layoutThatFits(machine, 2 ** 40).words * 4;
    expect(() => layoutThatFits(machine, needed - 1)).toThrow(ArenaError);
    expect(() => layoutThatFits(machine, needed - 1)).toThrow(
      /^the machine does not fit: [\d.]+ MiB needed \(.*page tables .*\), and [\d.]+ MiB may be used$/,
    );
    expect(layoutThatFits(machine, needed).words * 4).toBe(needed);
  });
});
