/**
 * split_N_F: eager page splitting in small (explorer notes 3.5). One splitter walks N huge entries under one lock and gives
 * the lock up when somebody waits; F fault threads take the lock; one zapper removes the middle entry. The splitter keeps its cursor
 * over the gap, does not look at the entry again, and splits what is gone. F + 3 actors with the main thread; the splitter makes 3 operations an entry
 * and 2 for each gap, a fault 5, the zapper 5. Fixed: after a gap the entry is read again.
 */
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import type { Kernel } from './kernel.ts';
import { add, assert, lock, read, unlock, write } from './sync.ts';
import { at, threaded, type Actor } from './threads.ts';

const [LOCK, WAITERS, ENTRIES] = [0, 1, 2];
const [HUGE, SPLIT, GONE] = [0, 1, 2];

const splitter = (entries: number, looksAgain: boolean): Actor =>
  function* (cpu, base) {
    yield* lock(cpu, at(base, LOCK));
    for (let entry = 0; entry < entries; entry++) {
      const word = at(base, ENTRIES + entry);
      let state = yield* read(cpu, word);
      if ((yield* read(cpu, at(base, WAITERS))) > 0) {
        yield* unlock(cpu, at(base, LOCK));
        yield* lock(cpu, at(base, LOCK));
        if (looksAgain) state = yield* read(cpu, word);
      }
      if (state !== HUGE) continue;
      if (cpu.stops(Op.Exchange, word)) yield;
      const old = cpu.exchange(word, SPLIT);
      assert(old === HUGE, `entry ${entry} is split, but it is ${old === GONE ? 'gone' : 'split already'}`);
    }
    yield* unlock(cpu, at(base, LOCK));
  };

/** Takes the lock as one who is seen waiting. */
function* lockInTurn(cpu: PlainCpu, base: number): Steps<void> {
  yield* add(cpu, at(base, WAITERS), 1);
  yield* lock(cpu, at(base, LOCK));
  yield* add(cpu, at(base, WAITERS), -1);
}

const fault = (entry: number): Actor =>
  function* (cpu, base) {
    yield* lockInTurn(cpu, base);
    yield* read(cpu, at(base, ENTRIES + entry));
    yield* unlock(cpu, at(base, LOCK));
  };

const zap = (entry: number): Actor =>
  function* (cpu, base) {
    yield* lockInTurn(cpu, base);
    yield* write(cpu, at(base, ENTRIES + entry), GONE);
    yield* unlock(cpu, at(base, LOCK));
  };

/** With `entries` huge entries and `faults` fault threads. */
export function split(entries: number, faults: number): Kernel {
  const name = `split_${entries}_${faults}`;
  const of = (suffix: string, looksAgain: boolean): Kernel['program'] =>
    threaded({
      name: name + suffix,
      variables: ENTRIES + entries,
      threads: [
        splitter(entries, looksAgain),
        ...Array.from({ length: faults }, (_, i) => fault(i % entries)),
        zap(entries >> 1),
      ],
    });
  return {
    name,
    published: name,
    bug: 'the splitter trusts what it read before it gave the lock up',
    threads: faults + 3,
    steps: 4 * (faults + 2) + 2 + 3 * entries + 5 * (faults + 1),
    program: of('', false),
    fixed: of('-fixed', true),
  };
}
