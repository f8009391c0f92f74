/** What actors share, they touch by operations: every plain access of every scenario, and engines that hide an operation. */
import { describe, expect, it } from 'vitest';
import { type PlainRace } from '../../src/explore/exhaustive/plain-races.ts';
import { WatchedRunner } from '../../src/explore/exhaustive/watched-runner.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { describeWord } from '../../src/mmu/describe.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { Observer } from '../../src/mmu/observer.ts';
import { ControlledRuntime } from '../../src/runtime/controlled.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { loadScenario, shippedScenarios } from '../../src/scenario/load.ts';
import { engineOf, findVariant } from '../../src/variants/index.ts';
import { LIMIT } from '../support/machines.ts';

/** The words that actors raced for in so many runs, without digits. */
async function racedFor(name: string, schedules: number, engine: Partial<Engine> = {}): Promise<string[]> {
  const scenario = await loadScenario(name);
  const machine = buildMachine(scenario, 'explore');
  let runtime!: ControlledRuntime;
  const words = new Set<string>();
  const note = ({ word }: PlainRace): unknown =>
    words.add(describeWord(runtime.kvm, word).replace(/\d+/g, '#'));
  const runner = new WatchedRunner((watch) => {
    runtime = new ControlledRuntime({
      machine,
      layout: layoutThatFits(machine, LIMIT),
      engine: { ...P1_ENGINE, ...engine },
      custom: scenario.actors,
      judge: { observer: () => new Observer(), begin: () => {}, atEnd: () => {} },
      watch,
    });
    return runtime;
  }, note);
  const scheduler = new RandomWalk(5);
  for (let schedule = 0; schedule < schedules; schedule++) runner.run(scheduler, 5, schedule);
  expect(runner.watched).toBe(schedules);
  return [...words];
}

describe('no actor touches a word that another changes, but by operations or where operations keep it', () => {
  it.each(shippedScenarios())('in %s', async (name) => {
    expect(await racedFor(name, 2)).toEqual([]);
  });

  it.each(['lockless-aging-6.15', 'tdp-shrink-6.2', 'tdp-alloc-6.11', 'desc-6.4', 'p3'])(
    'under %s',
    async (variant) => {
      expect(await racedFor('tdp-races', 2, engineOf([findVariant(variant)!]))).toEqual([]);
    },
  );
});

describe('an operation that is hidden is missed', () => {
  it('where a split fills the holes of a child that vCPUs walk through', async () => {
    const engine: Partial<Engine> = {
      // oxlint-disable-next-line require-yield
      *fillReusedChild(pass, sp, from) {
        return P1_ENGINE.fillSplitChild(pass, sp, from);
      },
    };
    expect(await racedFor('tiny-descriptors', 30, engine)).toContainEqual(
      expect.stringMatching(/^SPTE \[#\] of L# direct/),
    );
  });

  it('where the lock does not keep others out', async () => {
    const engine = engineOf([findVariant('busted-lock')!]);
    expect(await racedFor('nested-migration', 3, engine)).toContain('kvm mmuOwner');
  });
});
