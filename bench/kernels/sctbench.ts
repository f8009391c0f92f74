/**
 * Kernels in the manner of SCTBench (Thomson, Donaldson, Betts, TOPC 2016), written anew from their descriptions. Each has a
 * bug that some interleaving shows. The words of a kernel lie 2 apart, so that no two share an 8-byte unit.
 */
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import type { Program } from '../../src/explore/program.ts';
import type { Steps } from '../../src/cpu/steps.ts';
import { assert, compareAndSwap, lock, read, unlock, write } from './sync.ts';

type Actor = Program['actors'][number];
const repeat = (count: number, actor: Actor): Actor[] => Array.from({ length: count }, () => actor);
const at = (base: number, variable: number): number => base + 2 * variable;

/** `threads - 1` writers store a then b; one reader must never see b without a. */
export function reorder(threads: number): Program {
  const writer = function* (cpu: PlainCpu, base: number): Steps<void> {
    yield* write(cpu, at(base, 0), 1);
    yield* write(cpu, at(base, 1), -1);
  };
  const reader = function* (cpu: PlainCpu, base: number): Steps<void> {
    const a = yield* read(cpu, at(base, 0));
    const b = yield* read(cpu, at(base, 1));
    assert((a === 0 && b === 0) || (a === 1 && b === -1), `a is ${a} and b is ${b}`);
  };
  return { name: `reorder_${threads}`, words: 4, actors: [...repeat(threads - 1, writer), reader] };
}

/** Two stages under two locks; a reader between them sees the first done and the second not. */
export function twostage(threads: number): Program {
  const writer = function* (cpu: PlainCpu, base: number): Steps<void> {
    yield* lock(cpu, at(base, 0));
    yield* write(cpu, at(base, 2), 1);
    yield* unlock(cpu, at(base, 0));
    yield* lock(cpu, at(base, 1));
    yield* write(cpu, at(base, 3), (yield* read(cpu, at(base, 2))) + 1);
    yield* unlock(cpu, at(base, 1));
  };
  const reader = function* (cpu: PlainCpu, base: number): Steps<void> {
    yield* lock(cpu, at(base, 0));
    const first = yield* read(cpu, at(base, 2));
    yield* unlock(cpu, at(base, 0));
    if (first === 0) return;
    yield* lock(cpu, at(base, 1));
    const second = yield* read(cpu, at(base, 3));
    yield* unlock(cpu, at(base, 1));
    assert(second === first + 1, `the first stage is ${first}, the second ${second}`);
  };
  return {
    name: threads === 2 ? 'twostage' : `twostage_${threads}`,
    words: 8,
    actors: [...repeat(threads - 1, writer), reader],
  };
}

/** One counter under two different locks. */
export function wronglock(others: number): Program {
  const right = function* (cpu: PlainCpu, base: number): Steps<void> {
    yield* lock(cpu, at(base, 0));
    const before = yield* read(cpu, at(base, 2));
    yield* write(cpu, at(base, 2), before + 1);
    const after = yield* read(cpu, at(base, 2));
    assert(after === before + 1, `the counter went from ${before} to ${after}`);
    yield* unlock(cpu, at(base, 0));
  };
  const wrong = function* (cpu: PlainCpu, base: number): Steps<void> {
    yield* lock(cpu, at(base, 1));
    yield* write(cpu, at(base, 2), (yield* read(cpu, at(base, 2))) + 1);
    yield* unlock(cpu, at(base, 1));
  };
  return { name: 'wronglock', words: 6, actors: [right, ...repeat(others, wrong)] };
}

/** A deposit and a withdrawal, one of them without the lock. */
export const account: Program = {
  name: 'account',
  words: 4,
  actors: [
    function* (cpu, base): Steps<void> {
      yield* lock(cpu, at(base, 0));
      yield* write(cpu, at(base, 1), (yield* read(cpu, at(base, 1))) + 100);
      yield* unlock(cpu, at(base, 0));
    },
    function* (cpu, base): Steps<void> {
      yield* write(cpu, at(base, 1), (yield* read(cpu, at(base, 1))) - 40);
    },
  ],
  check: (word) => (word(2) === 60 ? undefined : `the balance is ${word(2)}`),
};

/** The Bluetooth driver: a request slips in between the test of the flag and the count. */
export const bluetooth: Program = {
  name: 'bluetooth',
  words: 8,
  actors: [
    // 0 pending I/O minus one, 1 stopping flag, 2 stopped, 3 stopping event
    function* (cpu, base): Steps<void> {
      yield* write(cpu, at(base, 1), 1);
      const left = (yield* read(cpu, at(base, 0))) - 1;
      yield* write(cpu, at(base, 0), left);
      if (left === -1) yield* write(cpu, at(base, 3), 1);
      if ((yield* read(cpu, at(base, 3))) === 1) yield* write(cpu, at(base, 2), 1);
    },
    function* (cpu, base): Steps<void> {
      if ((yield* read(cpu, at(base, 1))) === 1) return;
      yield* write(cpu, at(base, 0), (yield* read(cpu, at(base, 0))) + 1);
      assert((yield* read(cpu, at(base, 2))) === 0, 'the device is used after it was stopped');
      const left = (yield* read(cpu, at(base, 0))) - 1;
      yield* write(cpu, at(base, 0), left);
      if (left === -1) yield* write(cpu, at(base, 3), 1);
    },
  ],
};

/** Two locks in two orders. */
export const deadlock01: Program = {
  name: 'deadlock01',
  words: 4,
  actors: [0, 1].map(
    (first) =>
      function* (cpu: PlainCpu, base: number): Steps<void> {
        yield* lock(cpu, at(base, first));
        yield* lock(cpu, at(base, 1 - first));
        yield* unlock(cpu, at(base, 1 - first));
        yield* unlock(cpu, at(base, first));
      },
  ),
};

/** A stack whose pop tests the height before it takes the lock. */
export const stack: Program = {
  name: 'stack',
  words: 8,
  actors: [
    function* (cpu, base): Steps<void> {
      for (let i = 0; i < 3; i++) {
        yield* lock(cpu, at(base, 0));
        yield* write(cpu, at(base, 1), (yield* read(cpu, at(base, 1))) + 1);
        yield* unlock(cpu, at(base, 0));
      }
    },
    ...repeat(2, function* (cpu, base): Steps<void> {
      for (let i = 0; i < 3; i++) {
        if ((yield* read(cpu, at(base, 1))) === 0) continue;
        yield* lock(cpu, at(base, 0));
        const height = yield* read(cpu, at(base, 1));
        assert(height > 0, 'pop of an empty stack');
        yield* write(cpu, at(base, 1), height - 1);
        yield* unlock(cpu, at(base, 0));
      }
    }),
  ],
};

/** A work-stealing queue whose owner takes the last element without a compare-and-swap. */
export const workStealingQueue: Program = {
  name: 'wsq',
  words: 24,
  actors: [
    // 0 head, 1 tail, 4.. times each of the items was taken
    function* (cpu, base): Steps<void> {
      for (let item = 0; item < 3; item++) yield* write(cpu, at(base, 1), item + 1);
      for (;;) {
        const tail = (yield* read(cpu, at(base, 1))) - 1;
        if (tail < 0) return;
        yield* write(cpu, at(base, 1), tail);
        const head = yield* read(cpu, at(base, 0));
        if (head > tail) {
          yield* write(cpu, at(base, 1), head);
          return;
        }
        yield* take(cpu, base, tail);
      }
    },
    function* (cpu, base): Steps<void> {
      for (let i = 0; i < 3; i++) {
        const head = yield* read(cpu, at(base, 0));
        const tail = yield* read(cpu, at(base, 1));
        if (head >= tail) continue;
        if (yield* compareAndSwap(cpu, at(base, 0), head, head + 1)) yield* take(cpu, base, head);
      }
    },
  ],
};

function* take(cpu: PlainCpu, base: number, item: number): Steps<void> {
  const word = at(base, 4 + item);
  const taken = yield* read(cpu, word);
  assert(taken === 0, `item ${item} is taken twice`);
  yield* write(cpu, word, taken + 1);
}

/** Append of a string buffer reads the other's length, and copies after it was cut. */
export const stringBuffer: Program = {
  name: 'stringbuffer',
  words: 6,
  actors: [
    // 0 lock of the source, 1 its length
    function* (cpu, base): Steps<void> {
      yield* lock(cpu, at(base, 0));
      yield* write(cpu, at(base, 1), 8);
      yield* unlock(cpu, at(base, 0));
      yield* lock(cpu, at(base, 0));
      yield* write(cpu, at(base, 1), 0);
      yield* unlock(cpu, at(base, 0));
    },
    function* (cpu, base): Steps<void> {
      yield* lock(cpu, at(base, 0));
      const length = yield* read(cpu, at(base, 1));
      yield* unlock(cpu, at(base, 0));
      yield* lock(cpu, at(base, 0));
      const now = yield* read(cpu, at(base, 1));
      yield* unlock(cpu, at(base, 0));
      assert(now >= length, `${length} characters are copied from ${now}`);
    },
  ],
};

/** The many-thread block, in which orders of few events among many actors matter, and the others. */
export const MANY_THREADS: readonly Program[] = [reorder(10), reorder(20), twostage(20)];
export const FEW_THREADS: readonly Program[] = [
  reorder(3),
  reorder(4),
  reorder(5),
  twostage(2),
  wronglock(3),
  account,
  bluetooth,
  deadlock01,
  stack,
  workStealingQueue,
  stringBuffer,
];
