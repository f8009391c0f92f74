// Live migration with dirty rings (kernel-facts A15): D6 is the oracle.
import { describe, expect, it } from 'vitest';
import { C } from '../../src/cpu/counters.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { buildMachine } from '../../src/scenario/build.ts';
import { defineScenario } from '../../src/scenario/define.ts';
import { controlledOf, identity, machineOf, runTwice, type Given } from '../support/machines.ts';

const SCHEDULES = 15;
const BUSY: Given = { backing: '2m', vcpus: 2, writeFraction: 0.9, dirtyRing: 8, rounds: 2 };

/** Ids of what is broken in some schedules, and how often vCPUs found their ring full. */
function run(given: Given, engine: Engine = P1_ENGINE): { readonly ids: string[]; readonly full: number } {
  const runtime = controlledOf(machineOf(identity(2), { ...BUSY, ...given }), { engine });
  const ids = new Set<string>();
  for (let schedule = 0; schedule < SCHEDULES; schedule++) {
    for (const { id } of runTwice(runtime, schedule).violations) ids.add(id);
  }
  const full = runtime.cpus.reduce((sum, cpu) => sum + cpu.counters[C.ringFull]!, 0);
  return { ids: [...ids], full };
}

describe('a migration by dirty rings', () => {
  it.each([
    {},
    { manual: 'manual' },
    { eager: false },
    { dirtyRing: 64 },
    { preempt: 'full', reschedRate: 0.2 },
  ])('copies everything, whatever the vCPUs write meanwhile (%j)', (given) => {
    expect(run(given).ids).toEqual([]);
  });

  it('meets full rings, and goes on', () => {
    expect(run({}).full).toBeGreaterThan(0);
    expect(run({ dirtyRing: 64 }).full).toBe(0);
  });

  it('loses writes if the reset does not flush', () => {
    const long = { dirtyRing: 64, burst: 64, memory: '32K', rounds: 4 };
    expect(run(long).ids).toEqual([]);
    expect(run(long, { ...P1_ENGINE, flushAfterReset: () => false }).ids).toContain('D6');
  });

  it('loses writes if nothing is write-protected', () => {
    expect(run({}, { ...P1_ENGINE, needsWriteProtect: () => false }).ids).toContain('D6');
  });
});

describe('what a machine may not combine', () => {
  const scenario = defineScenario({
    name: 'test',
    summary: 'a test',
    about: '',
    facts: [],
    machine: (_p, units) => identity(2)(units),
  });
  const build = (given: Given) => (): unknown => buildMachine(scenario, 'explore', given);

  it('is refused with the parameter, the value and what is allowed', () => {
    expect(build({ dirtyRing: 6 })).toThrow('dirtyRing: 6 given, allowed is 0, or at least 7');
    expect(build({ dirtyRing: 16, manual: 'initially-set' })).toThrow('0 with manual=initially-set');
    expect(build({ pml: 4, format: 'npt' })).toThrow('pml: 4 given');
    expect(build({ pml: 4, hostAdBits: false })).toThrow('pml: 4 given');
    expect(build({ pml: 4, dirtyRing: 10 })).toThrow('at least 11');
    expect(build({ pml: 4, dirtyRing: 11 })).not.toThrow();
  });
});
