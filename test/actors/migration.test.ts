import { describe, expect, it } from 'vitest';
import type { CustomActor } from '../../src/actors/context.ts';
import { C } from '../../src/cpu/counters.ts';
import { Op } from '../../src/cpu/steps.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Kvm } from '../../src/mmu/kvm.ts';
import type { Violation } from '../../src/runtime/outcome.ts';
import { controlledOf, identity, machineOf, runTwice, type Given } from '../support/machines.ts';

const SCHEDULES = 15;
const BUSY: Given = { backing: '2m', vcpus: 2, writeFraction: 0.8 };

/** Pages of the migrated slot that differ at the destination. */
function differing(kvm: Kvm): number {
  const { layout, baseGfn, npages } = kvm.slots[1]!;
  let count = 0;
  for (let page = 0; page < npages; page++) {
    if (kvm.w[kvm.layout.memory + kvm.slots[1]!.pfn(baseGfn + page)] !== kvm.w[layout.destination + page])
      count++;
  }
  return count;
}

describe('live migration', () => {
  it.each([
    ['off', {}],
    ['manual', {}],
    ['initially-set', {}],
    ['off', { eager: false }],
    ['initially-set', { eager: false }],
    ['off', { format: 'npt', nx: true, execFraction: 0.2 }],
    ['off', { l1AdBits: false }],
    ['off', { rounds: 0 }],
    ['manual', { mmuPages: 9 }],
  ])(
    'with manual protection %s and %j copies everything, whatever the vCPUs write meanwhile',
    (manual, given) => {
      const runtime = controlledOf(machineOf(identity(2), { ...BUSY, manual, ...given }));
      const [migration] = runtime.cpus;
      for (let schedule = 0; schedule < SCHEDULES; schedule++) {
        migration!.counters.fill(0);
        expect(runTwice(runtime, schedule).violations).toEqual([]);
        expect(differing(runtime.kvm)).toBe(0);
        expect([migration!.counters[C.migrations], migration!.counters[C.pagesCompared]]).toEqual([
          2,
          2 * 16,
        ]);
        expect(migration!.counters[C.rounds]).toBe(2 * Number(runtime.machine.parameters['rounds']));
      }
    },
  );

  it('is worth its rounds: guests write during it, and pages are copied more than once', () => {
    const runtime = controlledOf(machineOf(identity(2), { ...BUSY, rounds: 2 }));
    for (let schedule = 0; schedule < SCHEDULES; schedule++) {
      for (const cpu of runtime.cpus) cpu.counters.fill(0);
      runTwice(runtime, schedule);
      const [migration, vcpu] = runtime.cpus;
      expect(migration!.counters[C.pagesCopied]! / 2).toBeGreaterThan(16);
      expect(vcpu!.counters[C.guestWrites]! / 2).toBeGreaterThan(5);
    }
  });
});

describe('a lost dirty write', () => {
  const violations = (
    options: Parameters<typeof controlledOf>[1],
    actors: readonly string[] = [],
  ): Violation[] => {
    const machine = machineOf(
      (units) => ({ ...identity(2)(units), actors: actors.map((name) => ({ name })) }),
      BUSY,
    );
    const runtime = controlledOf(machine, options);
    return Array.from({ length: SCHEDULES }, (_, schedule) => runTwice(runtime, schedule).violations).flat();
  };

  it('is found when nothing is ever write-protected: D6 names page and versions', () => {
    const found = violations({ engine: { ...P1_ENGINE, needsWriteProtect: () => false } });
    expect(found.length).toBeGreaterThan(0);
    expect(new Set(found.map(({ id }) => id))).toEqual(new Set(['D6']));
    expect(found[0]!.text).toMatch(
      /^gfn 0x[0-9a-f]+ has version \d+ at the source and \d+ at the destination$/,
    );
    expect(found[0]!.actorName).toBe('migration');
  });

  it('is found when somebody takes dirty bits away', () => {
    const thief: CustomActor = function* ({ kvm, cpu }) {
      const word = kvm.slots[1]!.layout.dirtyBitmap;
      for (let i = 0; i < 400; i++) {
        yield cpu.at(Op.And, word);
        cpu.and(word, 0);
      }
    };
    const idle: CustomActor = function* ({ kvm, cpu }) {
      const word = kvm.slots[1]!.layout.dirtyBitmap;
      for (let i = 0; i < 400; i++) {
        yield cpu.at(Op.Load, word);
        cpu.load(word);
      }
    };
    expect(new Set(violations({ custom: { thief } }, ['thief']).map(({ id }) => id))).toEqual(
      new Set(['D6']),
    );
    expect(violations({ custom: { thief: idle } }, ['thief'])).toEqual([]);
  });

  it('is not found in the default engine', () => {
    expect(violations({})).toEqual([]);
  });
});
