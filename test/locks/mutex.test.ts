import { describe, expect, it } from 'vitest';
import { HELD_SLOTS } from '../../src/cpu/cpu.ts';
import { Op } from '../../src/cpu/steps.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { mutexLock, mutexUnlock, type MutexWords } from '../../src/locks/mutex.ts';
import { LOCK_SLOTS } from '../../src/locks/probe.ts';
import { fewWords, Program, Stage, twice, type Body } from '../support/programs.ts';

interface Log {
  inside: number;
  overlaps: number;
  readonly order: number[];
}

const holder = (lock: MutexWords, log: Log, times = 1): Body =>
  function* (cpu) {
    for (let i = 0; i < times; i++) {
      yield* mutexLock(cpu, lock);
      if (log.inside++ > 0) log.overlaps++;
      log.order.push(cpu.actor);
      yield cpu.at(Op.Load, lock.state + 1);
      cpu.load(lock.state + 1);
      log.inside--;
      yield* mutexUnlock(cpu, lock);
    }
  };

const setUp = (): { arena: ReturnType<typeof fewWords>['arena']; lock: MutexWords; log: Log } => {
  const { arena, base } = fewWords();
  return { arena, lock: { state: base }, log: { inside: 0, overlaps: 0, order: [] } };
};

describe('the futex mutex', () => {
  it('lets one in at a time and nobody be forgotten, in 1,000 random schedules of 4 actors', () => {
    const { arena, lock, log } = setUp();
    const program = new Program(
      arena,
      Array.from({ length: 4 }, () => holder(lock, log, 2)),
    );
    for (let schedule = 0; schedule < 1000; schedule++) {
      log.order.length = 0;
      expect(program.runTwice(new RandomWalk(5), schedule).stuck).toEqual([]);
      expect([log.overlaps, log.order.length, arena.w[lock.state]]).toEqual([0, 16, 0]);
    }
  });

  it('is 1 while taken, 2 while somebody waits, and 2 for who took it after waiting', () => {
    const states = twice(() => {
      const { arena, lock, log } = setUp();
      const stage = new Stage(arena, [holder(lock, log), holder(lock, log), holder(lock, log)]);
      const seen: number[] = [];
      const note = (): unknown => seen.push(arena.w[lock.state]!);
      stage.runUntil(0, () => log.order.length === 1);
      note();
      stage.runUntilBlocked(1);
      stage.runUntilBlocked(2);
      note();
      stage.finish(0);
      note();
      stage.runUntil(2, () => log.order.length === 2);
      note();
      expect(stage.blocked(1)).toBe(true);
      stage.finish(2);
      stage.finish(1);
      note();
      return { stage, result: [seen, log.order] };
    });
    expect(states).toEqual([
      [1, 2, 0, 2, 0],
      [0, 2, 1],
    ]);
  });

  it('hands the lock over after waiting, and tells lockdep and the probe', () => {
    const told = twice(() => {
      const { arena, lock, log } = setUp();
      const stage = new Stage(arena, [holder(lock, log), holder(lock, log)]);
      const result: unknown[] = [];
      stage.cpus[1]!.probe = {
        acquired: (cpu, id, write, contended, wait) =>
          result.push([id, write, contended, wait > 0, cpu.held]),
        released: (cpu, id, write) => result.push([id, write, cpu.held]),
      };
      stage.runUntil(0, () => log.order.length === 1);
      stage.runUntilBlocked(1);
      expect(stage.cpus.map((cpu) => cpu.held)).toEqual([HELD_SLOTS, 0]);
      expect(stage.finishAll()).toEqual([]);
      return { stage, result };
    });
    expect(told).toEqual([
      [LOCK_SLOTS, true, true, true, HELD_SLOTS],
      [LOCK_SLOTS, true, 0],
    ]);
  });
});
