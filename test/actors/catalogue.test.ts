// Every actor of kernel-facts 5.1 acts in some shipped scenario, and docs/actors.md says what the catalogue says.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ACTOR_ROWS, ALLOCATION_SITES } from '../../src/actors/catalogue.ts';
import { C, type CounterName } from '../../src/cpu/counters.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { actorsDocument } from '../../src/report/actors-document.ts';
import { loadScenario, shippedScenarios } from '../../src/scenario/load.ts';
import { buildMachine } from '../../src/scenario/build.ts';
import { controlledOf } from '../support/machines.ts';

const root = (path: string): URL => new URL(`../../${path}`, import.meta.url);

/** Schedules after which an actor that has not acted is taken for one that does not. */
const MOST = 150;

/** Counters by scenario, from all rows. */
const wanted = new Map<string, Set<string>>();
for (const { witnesses } of ACTOR_ROWS) {
  for (const [scenario, counter] of witnesses) {
    wanted.set(scenario, (wanted.get(scenario) ?? new Set()).add(counter));
  }
}

describe('the catalogue of actors', () => {
  it('has every row of kernel-facts 5.1 once, in order', () => {
    expect(ACTOR_ROWS.map(({ id }) => id)).toEqual(Array.from({ length: 28 }, (_, i) => `A${i + 1}`));
  });

  it.each(ACTOR_ROWS.map((row) => [row.id, row] as const))(
    '%s names files, tests and counters that are there',
    (_id, row) => {
      const missing = [
        ...row.files.map((file) => `src/${file}.ts`),
        ...row.tests.map((file) => `test/${file}.test.ts`),
        ...row.witnesses.map(([scenario]) => `scenarios/${scenario}.ts`),
      ].filter((path) => !existsSync(root(path)));
      expect(missing).toEqual([]);
      expect(row.witnesses.filter(([scenario]) => !shippedScenarios().includes(scenario))).toEqual([]);
      expect(row.witnesses.filter(([, counter]) => C[counter as CounterName] === undefined)).toEqual([]);
      expect([row.tests.length > 0, row.witnesses.length > 0]).toEqual([true, true]);
    },
  );

  it('is what docs/actors.md says', () => {
    expect(readFileSync(root('docs/actors.md'), 'utf8')).toBe(actorsDocument());
    expect(ALLOCATION_SITES.length).toBeGreaterThan(10);
  });
});

describe.each([...wanted])('%s', (scenario, counters) => {
  it(`sees ${[...counters].join(', ')}`, async () => {
    const runtime = controlledOf(buildMachine(await loadScenario(scenario), 'explore'), {
      engine: P1_ENGINE,
    });
    const strategy = new RandomWalk(3);
    const silent = (): string[] =>
      [...counters].filter((counter) =>
        runtime.cpus.every((cpu) => cpu.counters[C[counter as CounterName]] === 0),
      );
    for (let schedule = 0; schedule < MOST && silent().length > 0; schedule++) {
      const { violations } = runtime.run(strategy, 3, schedule);
      expect(violations).toEqual([]);
    }
    expect(silent()).toEqual([]);
  });
});
