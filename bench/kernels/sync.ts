/** Loads, stores and a mutex for the kernels, with one visible operation each. */
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import { ProgramBug } from '../../src/explore/program.ts';

export function* read(cpu: PlainCpu, word: number): Steps<number> {
  if (cpu.stops(Op.Load, word)) yield;
  return cpu.load(word);
}

export function* write(cpu: PlainCpu, word: number, value: number): Steps<void> {
  if (cpu.stops(Op.Store, word)) yield;
  cpu.store(word, value);
}

/** Waits until the word is 0 and makes it 1. */
export function* lock(cpu: PlainCpu, word: number): Steps<void> {
  for (;;) {
    if (cpu.stops(Op.CompareExchange, word)) yield;
    if (cpu.compareExchange(word, 0, 1) === 0) return;
    if (cpu.stops(Op.Wait, word, 1)) yield;
    cpu.wait(word, 1);
  }
}

export function* unlock(cpu: PlainCpu, word: number): Steps<void> {
  if (cpu.stops(Op.Store, word)) yield;
  cpu.store(word, 0);
}

/** Returns true if the word held `expected` and was replaced. */
export function* compareAndSwap(
  cpu: PlainCpu,
  word: number,
  expected: number,
  value: number,
): Steps<boolean> {
  if (cpu.stops(Op.CompareExchange, word)) yield;
  return cpu.compareExchange(word, expected, value) === expected;
}

/** Fails the run. */
export function assert(condition: boolean, text: string): void {
  if (!condition) throw new ProgramBug(text);
}

/** Returns the value before. */
export function* add(cpu: PlainCpu, word: number, value: number): Steps<number> {
  if (cpu.stops(Op.Add, word)) yield;
  return cpu.add(word, value);
}
