import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import { ProgramBug, ProgramRunner } from '../../src/explore/program.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { takeTurns } from '../../src/runtime/interleaver.ts';
import type { Scheduler } from '../../src/runtime/scheduler.ts';
import { holds } from '../support/property.ts';

interface Move {
  readonly op: 'load' | 'add' | 'wait' | 'set' | 'safepoint' | 'fail';
  readonly word: number;
}

/** An actor that makes the moves; `always` suspends before each of them, else only where somebody else goes first. */
function actorOf(moves: readonly Move[], always: boolean) {
  return function* (cpu: PlainCpu, base: number): Steps<void> {
    for (const { op, word } of moves) {
      const at = base + word;
      if (op === 'safepoint') cpu.safepoint();
      else if (op === 'fail') throw new ProgramBug('a planted one');
      else {
        const kind = { load: Op.Load, add: Op.Add, wait: Op.Wait, set: Op.Store }[op];
        if (always) yield cpu.at(kind, at, 0);
        else if (cpu.stops(kind, at, 0)) yield;
        if (op === 'load') cpu.load(at);
        else if (op === 'add') cpu.add(at, 1);
        else if (op === 'wait') cpu.wait(at, 0);
        else cpu.store(at, 1);
      }
    }
  };
}

/** The run, and everything the scheduler was asked and told. */
function observe(actors: readonly (readonly Move[])[], seed: number, always: boolean, maxSteps: number) {
  const runner = new ProgramRunner({
    name: 'moves',
    words: 3,
    actors: actors.map((moves) => actorOf(moves, always)),
    maxSteps,
  });
  const heard: string[] = [];
  const walk = new RandomWalk(seed);
  const scheduler: Scheduler = {
    begin: (cpus, schedule) => walk.begin(cpus, schedule),
    pick: (enabled, count, current) => {
      const picked = walk.pick(enabled, count);
      heard.push(`${enabled.subarray(0, count).join(' ')} after ${current}: ${picked}`);
      return picked;
    },
    step: (actor) => heard.push(`step ${actor}`),
    end: (decisions, steps, failed) => heard.push(`end ${decisions} ${steps} ${failed}`),
  };
  return { result: runner.run(scheduler, seed, 0), heard, memory: runner.stateHash() };
}

const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.record({
    op: fc.constantFrom('load', 'add', 'add', 'wait', 'set', 'set', 'safepoint', 'fail' as const),
    word: fc.integer({ min: 0, max: 2 }),
  }),
  { maxLength: 6 },
);

describe('an actor that is suspended only when another goes first', () => {
  it('makes the same run, and the scheduler is asked and told the same', () => {
    holds(
      fc.property(
        fc.array(moves, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1, max: 24 }),
        (actors, seed, maxSteps) => {
          expect(observe(actors, seed, false, maxSteps)).toEqual(observe(actors, seed, true, maxSteps));
        },
      ),
    );
  });

  it('is not suspended while the scheduler stays with it, nor for one with a higher number', () => {
    const resumed = [0, 0];
    const count = function* (cpu: PlainCpu, base: number): Steps<void> {
      for (let i = 0; i < 10; i++) {
        if (cpu.stops(Op.Add, base)) {
          resumed[cpu.actor]!++;
          yield;
        }
        cpu.add(base, 1);
      }
    };
    const runner = new ProgramRunner({ name: 'count', words: 1, actors: [count, count] });
    const inTurn: Scheduler = { begin: () => undefined, pick: (enabled) => enabled[0]! };
    expect(runner.run(inTurn, 1, 0).steps).toBe(20);
    expect(resumed).toEqual([0, 0]);
    const back: Scheduler = {
      begin: () => undefined,
      pick: (enabled, n, current) => takeTurns(enabled, n, current),
    };
    expect(runner.run(back, 1, 0).steps).toBe(20);
    // The one with the lower number stays where it is while the other moves, which makes room for it each time.
    expect(resumed).toEqual([0, 10]);
  });
});

describe('takeTurns', () => {
  it('goes round by number over those that can go on', () => {
    const enabled = Int32Array.of(1, 3, 4);
    expect([-1, 0, 1, 2, 3, 4].map((current) => takeTurns(enabled, 3, current))).toEqual([1, 1, 3, 3, 4, 1]);
    expect(takeTurns(enabled, 1, 3)).toBe(1);
  });
});
