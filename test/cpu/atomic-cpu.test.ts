import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arena } from '../../src/arena/arena.ts';
import { ACTOR_WORDS } from '../../src/arena/layout.ts';
import {
  ABORT_HARD,
  ABORT_SOFT,
  ACTOR,
  ACTOR_DONE,
  ACTOR_RUNNING,
  ACTOR_WAITING,
  ACTOR_WAITING_LOCKED,
  ActorAborted,
  AtomicCpu,
  CONTROL,
} from '../../src/cpu/atomic-cpu.ts';
import { HELD_MMU_READ, HELD_MMU_WRITE, HELD_SLOTS } from '../../src/cpu/cpu.ts';
import { PlainCpu, RunLog } from '../../src/cpu/plain-cpu.ts';
import { Op } from '../../src/cpu/steps.ts';
import { perform, type Performed } from '../support/operations.ts';
import { fewWords } from '../support/programs.ts';
import { holds } from '../support/property.ts';

interface Atomic {
  readonly cpu: AtomicCpu;
  readonly w: Int32Array;
  readonly base: number;
  readonly row: number;
  readonly control: number;
}

function atomic(spins = 0): Atomic {
  const { layout } = fewWords().arena;
  const arena = Arena.shared(layout);
  const cpu = new AtomicCpu(arena, {
    actor: 0,
    name: 'the actor',
    cls: 'other',
    control: layout.control,
    row: layout.actors,
    clock: () => 42,
    spins,
    sharesCores: false,
  });
  return { cpu, w: arena.w, base: layout.memory, row: layout.actors, control: layout.control };
}

const value = fc.oneof(fc.integer({ min: -2, max: 3 }), fc.integer());
const operation: fc.Arbitrary<Performed> = fc.record({
  op: fc.constantFrom(
    ...Object.values(Op).filter((op) => op !== Op.Pause && op !== Op.Fence && op !== Op.Wait),
  ),
  word: fc.integer({ min: 0, max: 7 }),
  a: value,
  b: value,
  c: value,
  d: value,
});

describe('AtomicCpu', () => {
  it('gives the same results as PlainCpu and leaves the same memory', () => {
    holds(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 60 }), (operations) => {
        const plain = fewWords();
        const shared = atomic();
        const cpu = new PlainCpu(plain.arena, new RunLog(), { actor: 0, name: '', cls: 'other' }, true);
        for (const one of operations) {
          expect(perform(shared.cpu, shared.base, one)).toEqual(perform(cpu, plain.base, one));
        }
        expect(Buffer.compare(Buffer.from(shared.w.buffer), Buffer.from(plain.arena.buffer))).toBe(0);
      }),
      200,
    );
  });

  it('needs no announcement and reads the clock it was given', () => {
    const { cpu, base } = atomic();
    expect([cpu.stepped, cpu.load(base), cpu.now()]).toEqual([false, 0, 42]);
  });
});

/** What the row said while the actor waited: looked at when the wait returns early, by a watcher in the abort word. */
function rowWhileWaiting(held: number): { state: number; waitingOn: number; held: number; thrown: unknown } {
  const { cpu, w, base, row, control } = atomic();
  cpu.held = held;
  w[control + CONTROL.abort] = ABORT_HARD;
  let thrown: unknown;
  try {
    cpu.wait(base, 0);
  } catch (error) {
    thrown = error;
  }
  return {
    state: w[row + ACTOR.state]!,
    waitingOn: w[row + ACTOR.waitingOn]! - base,
    held: w[row + ACTOR.held]!,
    thrown,
  };
}

describe('waiting', () => {
  it.each([
    ['without locks', 0, ACTOR_WAITING],
    ['with slots_lock', HELD_SLOTS, ACTOR_WAITING],
    ['with mmu_lock for write', HELD_MMU_WRITE | HELD_SLOTS, ACTOR_WAITING_LOCKED],
    ['with mmu_lock for read', HELD_MMU_READ, ACTOR_WAITING_LOCKED],
  ])('says in the row that the actor waits, on what and %s', (_what, held, state) => {
    const row = rowWhileWaiting(held);
    expect(row).toMatchObject({ state, waitingOn: 1, held });
    expect(row.thrown).toBeInstanceOf(ActorAborted);
  });

  it('returns at once if the word differs, and the row says that the actor runs', () => {
    const { cpu, w, base, row } = atomic();
    w[base] = 3;
    cpu.wait(base, 0);
    expect([w[row + ACTOR.state], w[row + ACTOR.waitingOn]]).toEqual([ACTOR_RUNNING, 0]);
  });

  it('with spins does not touch the row when the word differs', () => {
    const { cpu, w, base, row } = atomic(3);
    w[base] = 3;
    cpu.wait(base, 0);
    expect(w[row + ACTOR.state]).toBe(0);
  });

  it('inside mmu_lock survives a soft abort: others wait for this actor', () => {
    const { cpu, w, base, row, control } = atomic();
    cpu.held = HELD_MMU_WRITE;
    w[control + CONTROL.abort] = ABORT_SOFT;
    w[base] = 1;
    expect(() => cpu.wait(base, 0)).not.toThrow();
    expect(w[row + ACTOR.state]).toBe(ACTOR_RUNNING);
    cpu.held = 0;
    expect(() => cpu.wait(base, 0)).toThrow(ActorAborted);
  });
});

describe('a safepoint', () => {
  it('goes on while nothing is asked for and ends the actor after an abort', () => {
    const { cpu, w, control } = atomic();
    expect(() => cpu.safepoint()).not.toThrow();
    w[control + CONTROL.abort] = ABORT_SOFT;
    expect(() => cpu.safepoint()).toThrow('the actor was told to give up');
  });

  it('leaves the rows of other actors alone', () => {
    const { cpu, w, row } = atomic();
    cpu.setState(ACTOR_DONE);
    expect([w[row], w[row + ACTOR_WORDS]]).toEqual([ACTOR_DONE, 0]);
  });
});

describe('the start', () => {
  it('waits until all are ready', () => {
    const { cpu, w, control } = atomic();
    cpu.awaitOthers(1);
    expect(w[control + CONTROL.ready]).toBe(1);
    w[control + CONTROL.ready] = 3;
    expect(() => cpu.awaitOthers(4)).not.toThrow();
  });

  it('does not wait for ever for one that will not come', () => {
    const { cpu, w, control } = atomic();
    w[control + CONTROL.abort] = ABORT_SOFT;
    expect(() => cpu.awaitOthers(2)).toThrow(ActorAborted);
  });
});

describe('relax', () => {
  it('changes no word and no state: it is not an operation', () => {
    const { cpu, w, base, row } = atomic();
    const before = w.slice();
    cpu.relax(base);
    expect(w).toEqual(before);
    expect(w[row]).toBe(before[row]);
  });
});
