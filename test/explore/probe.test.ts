import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/cpu/random.ts';
import { Op } from '../../src/cpu/steps.ts';
import { BoundedProber, DporProber } from '../../src/explore/exhaustive/probe.ts';
import { compareOrders } from '../../src/explore/exhaustive/reorder.ts';
import { SourceDpor } from '../../src/explore/exhaustive/source-dpor.ts';
import { searchPreemptions } from '../../src/explore/preemption-search.ts';
import { ProgramRunner, type Program } from '../../src/explore/program.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { programOf, type Move } from './exhaustive-programs.ts';

/** Actors that add to and read three words in turn. */
const mixed = (actors: number, steps: number): Program =>
  programOf(
    Array.from({ length: actors }, (_, actor) =>
      Array.from({ length: steps }, (_, i): Move =>
        (i + actor) % 2 === 0
          ? { kind: 'add', at: (i + actor) % 3, value: 1 }
          : { kind: 'read', at: (i + actor) % 3 },
      ),
    ),
  );

describe('the size of a search, before it starts', () => {
  it.each([0, 1, 2, 3])('is right on average for schedules with at most %i preemptions', (bound) => {
    const runner = new ProgramRunner(mixed(3, 4));
    const prober = new BoundedProber(runner, 1, 0, bound);
    for (let i = 0; i < 400; i++) prober.probe();
    const { schedules } = searchPreemptions({
      runner,
      master: 1,
      schedule: 0,
      preemptions: bound,
      maxSchedules: 10_000,
      fails: () => false,
    });
    const { runs, error, probes } = prober.estimate;
    expect(probes).toBe(400);
    // Three standard errors; the probes are the same in every run of this test.
    expect(Math.abs(runs - schedules)).toBeLessThanOrEqual(3 * error);
    expect(error).toBeLessThan(schedules / 10);
  });

  it.each([
    [2, 7],
    [3, 4],
    [2, 5],
  ])('is the order of magnitude for DPOR: %i actors of %i steps', (actors, steps) => {
    const runner = new ProgramRunner(mixed(actors, steps));
    const prober = new DporProber(runner, 1, 0);
    for (let i = 0; i < 100; i++) prober.probe();
    const search = new SourceDpor(runner);
    while (!search.exhausted) search.next(1, 0);
    expect(prober.estimate.runs / search.complete).toBeGreaterThan(1 / 5);
    expect(prober.estimate.runs / search.complete).toBeLessThan(5);
  });
});

describe('the same steps in another order', () => {
  const differences = (program: Program): Set<string> => {
    const runner = new ProgramRunner(program);
    const rng = new Rng(3);
    const found = new Set<string>();
    for (let i = 0; i < 40; i++) {
      for (const one of compareOrders(runner, new RandomWalk(5), 5, i, rng).differences) found.add(one);
    }
    return found;
  };

  it('come to the same where actors share nothing but by visible operations', () => {
    expect(differences(mixed(3, 5))).toEqual(new Set());
  });

  it('are told apart where actors share a variable that nothing announces', () => {
    let hidden = 0;
    const sharer = (word: number): Program['actors'][number] =>
      function* (cpu, base) {
        if (word === 0) hidden = 0;
        yield cpu.at(Op.Load, base + word);
        cpu.load(base + word);
        hidden = hidden * 2 + word + 1;
        yield cpu.at(Op.Store, base + word);
        cpu.store(base + word, hidden);
      };
    const program: Program = { name: 'hidden', words: 4, actors: [sharer(0), sharer(2)] };
    expect(differences(program)).toContain('the memory at the end');
    // The first to store something else is named; where nothing is hidden nobody is.
    const runner = new ProgramRunner(program);
    const rng = new Rng(3);
    const surprises = Array.from(
      { length: 40 },
      (_, i) => compareOrders(runner, new RandomWalk(5), 5, i, rng).surprise,
    ).filter((one) => one !== undefined);
    expect(surprises.length).toBeGreaterThan(0);
    for (const { actor, word } of surprises) expect(word).toBe(runner.word(actor === 0 ? 0 : 2));
    const open = new ProgramRunner(mixed(3, 5));
    expect(compareOrders(open, new RandomWalk(5), 5, 0, new Rng(3)).surprise).toBeUndefined();
  });
});
