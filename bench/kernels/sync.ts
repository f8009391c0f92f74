/** Loads, stores and a mutex for the kernels, with one visible operation each. */
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import { ProgramBug } from '../../src/explore/program.ts';

export function* read(cpu: PlainCpu, word: number): Steps<number> {
  yield cpu.at(Op.Load, word);
  return cpu.load(word);
}

export function* write(cpu: PlainCpu, word: number, value: number): Steps<void> {
  yield cpu.at(Op.Store, word);
  cpu.store(word, value);
}

/** Waits until the word is 0 and makes it 1. */
export function* lock(cpu: PlainCpu, word: number): Steps<void> {
  for (;;) {
    yield cpu.at(Op.CompareExchange, word);
    if (cpu.compareExchange(word, 0, 1) === 0) return;
    yield cpu.at(Op.Wait, word, 1);
    cpu.wait(word, 1);
  }
}

export function* unlock(cpu: PlainCpu, word: number): Steps<void> {
  yield cpu.at(Op.Store, word);
  cpu.store(word, 0);
}

/** Returns true if the word held `expected` and was replaced. */
export function* compareAndSwap(
  cpu: PlainCpu,
  word: number,
  expected: number,
  value: number,
): Steps<boolean> {
  yield cpu.at(Op.CompareExchange, word);
  return cpu.compareExchange(word, expected, value) === expected;
}

/** Fails the run. */
export function assert(condition: boolean, text: string): void {
  if (!condition) throw new ProgramBug(text);
}

/** Returns the value before. */
export function* add(cpu: PlainCpu, word: number, value: number): Steps<number> {
  yield cpu.at(Op.Add, word);
  return cpu.add(word, value);
}
