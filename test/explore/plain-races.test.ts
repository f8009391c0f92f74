import { describe, expect, it } from 'vitest';
import { Arena } from '../../src/arena/arena.ts';
import { computeLayout } from '../../src/arena/layout.ts';
import { watchedArena } from '../../src/arena/watched.ts';
import { PlainCpu, RunLog } from '../../src/cpu/plain-cpu.ts';
import { Op } from '../../src/cpu/steps.ts';
import { PlainRaces } from '../../src/explore/exhaustive/plain-races.ts';
import { FEW_WORDS } from '../support/programs.ts';

/** Two actors over one memory; each piece of a run is one step: an operation, or none, and private code after it. */
function played(run: (a: Actor, b: Actor, word: number, flag: number) => void): string[] {
  const layout = computeLayout(FEW_WORDS);
  const arena = Arena.tracked(layout);
  const log = new RunLog();
  const cpus = [0, 1].map((actor) => new PlainCpu(arena, log, { actor, name: `${actor}`, cls: 'other' }));
  const scheduler = { begin: () => {}, pick: (enabled: Int32Array) => enabled[0]! };
  const races = new PlainRaces(scheduler, undefined, 2, arena.w);
  const seen = watchedArena(arena, races);
  log.listener = races;
  races.begin(cpus, 0);
  const [a, b] = cpus.map((cpu): Actor => {
    const step = (op: number, word: number, perform: () => void): void => {
      cpu.at(op, word);
      races.step(cpu.actor);
      perform();
    };
    return {
      seen,
      none: () => step(Op.Pause, 0, () => {}),
      load: (word) => step(Op.Load, word, () => void cpu.load(word)),
      store: (word, value) => step(Op.Store, word, () => cpu.store(word, value)),
    };
  });
  run(a!, b!, layout.memory, layout.memory + 1);
  races.end(0, 0, false);
  return races.found.map(({ first, second }) => `${first.kind} ${second.kind}`);
}

interface Actor {
  readonly seen: Arena;
  none(): void;
  load(word: number): void;
  store(word: number, value: number): void;
}

describe('two accesses of one word', () => {
  it('race if nothing orders them and one of them is a plain write', () => {
    const race = played((a, b, word) => {
      a.none();
      a.seen.put(word, 1);
      b.none();
      expect(b.seen.w[word]).toBe(1);
    });
    expect(race).toEqual(['writes reads']);
  });

  it('race if one of them is an operation and the other is not', () => {
    const race = played((a, b, word) => {
      a.none();
      expect(a.seen.w[word]).toBe(0);
      b.store(word, 1);
    });
    expect(race).toEqual(['reads writes']);
  });

  it('do not race if both are operations, or both read', () => {
    const clean = played((a, b, word) => {
      a.store(word, 1);
      b.load(word);
      expect(a.seen.w[word]).toBe(b.seen.w[word]);
    });
    expect(clean).toEqual([]);
  });

  it('do not race if operations on another word say who comes first', () => {
    const handed = (announced: boolean): string[] =>
      played((a, b, word, flag) => {
        a.none();
        a.seen.put(word, 1);
        if (announced) a.store(flag, 1);
        if (announced) b.load(flag);
        else b.none();
        b.seen.put(word, 2);
      });
    expect(handed(true)).toEqual([]);
    expect(handed(false)).toEqual(['writes writes']);
  });

  it('do not race if what one reads is not what the other changes', () => {
    const read = (mask: number): string[] =>
      played((a, b, word) => {
        a.none();
        expect(a.seen.bits(word, mask)).toBe(0);
        b.store(word, 4);
      });
    expect(read(~4)).toEqual([]);
    expect(read(6)).toEqual(['reads writes']);
  });

  it('do not race if both add to a tally, but do if somebody reads it', () => {
    const counted = (reads: boolean): string[] =>
      played((a, b, word) => {
        a.none();
        a.seen.tally(word, 1);
        b.none();
        if (reads) b.seen.bits(word, -1);
        else b.seen.tally(word, 1);
      });
    expect(counted(false)).toEqual([]);
    expect(counted(true)).toEqual(['tallies reads']);
  });
});
