// kernel-facts A16, A17 under a running migration: what is written while logging is off must still arrive (D6).
import { describe, expect, it } from 'vitest';
import { C } from '../../src/cpu/counters.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import { KVM_MEM_LOG_DIRTY_PAGES } from '../../src/mmu/memslot.ts';
import { controlledOf, identity, machineOf, runTwice, type Given } from '../support/machines.ts';

const SCHEDULES = 15;
const BUSY: Given = { backing: '2m', vcpus: 2, writeFraction: 0.8, rounds: 2, castRounds: 3 };

interface Toggled {
  readonly ids: string[];
  readonly toggles: number;
  readonly kvm: Kvm;
}

function run(given: Given, slots: readonly number[] = [1], forget?: (kvm: Kvm) => void): Toggled {
  const machine = machineOf(
    (units) => ({
      ...identity(2)(units),
      extraSlots: [{ pages: 16 }],
      cast: [{ kind: 'log-toggle', slots }],
    }),
    { ...BUSY, ...given },
  );
  const runtime = controlledOf(machine, { engine: P1_ENGINE });
  const { kvm } = runtime;
  const ids = new Set<string>();
  for (let schedule = 0; schedule < SCHEDULES; schedule++) {
    if (forget !== undefined) {
      kvm.observer.flush = (_cpu, reason) => {
        if (reason === 'log-off') forget(kvm);
      };
    }
    for (const { id } of runTwice(runtime, schedule).violations) ids.add(id);
  }
  const toggles = runtime.cpus.reduce((sum, cpu) => sum + cpu.counters[C.logToggles]!, 0);
  return { ids: [...ids], toggles, kvm };
}

describe('turning the log of a slot off and on', () => {
  it.each([
    {},
    { manual: 'manual' },
    { manual: 'initially-set' },
    { dirtyRing: 16 },
    { eager: false },
    { preempt: 'full', reschedRate: 0.2 },
  ])('does not lose a page of a migration of that slot (%j)', (given) => {
    const { ids, toggles } = run(given);
    expect(ids).toEqual([]);
    expect(toggles).toBeGreaterThan(SCHEDULES);
  });

  it('would, if the migration were not told to copy everything again', () => {
    const { ids } = run({}, [1], (kvm) => kvm.put(KVM.recopySlots, 0));
    expect(ids).toEqual(['D6']);
  });

  it('leaves a slot that nobody migrates as it was', () => {
    const { ids, toggles, kvm } = run({}, [2]);
    expect(ids).toEqual([]);
    expect(toggles).toBeGreaterThan(0);
    expect(kvm.w[kvm.slots[2]!.flagsWord]! & KVM_MEM_LOG_DIRTY_PAGES).toBe(0);
  });
});
