/**
 * Threads as pthread_create and pthread_join make them. All actors of a program exist from its start, so a thread first waits for
 * a word of its own that its creator sets, and sets another one at its end for which the creator waits. Creation in order is what
 * makes the kernels with many threads hard: under a random walk the first threads are done before the last ones begin.
 */
import { Op, type Steps } from '../../src/cpu/steps.ts';
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import type { Program } from '../../src/explore/program.ts';
import { write } from './sync.ts';

export type Actor = Program['actors'][number];

export const repeat = (count: number, actor: Actor): Actor[] => Array.from({ length: count }, () => actor);

/** The word of a variable: they lie 2 apart, so that no two share an 8-byte unit. */
export const at = (base: number, variable: number): number => base + 2 * variable;

/** Blocks while the word is 0. */
function* waitFor(cpu: PlainCpu, word: number): Steps<void> {
  if (cpu.stops(Op.Wait, word, 0)) yield;
  cpu.wait(word, 0);
}

/** What the threads of a program do, before it is said how they come to be. */
export interface Threads {
  readonly name: string;
  /** How many variables the threads use: 0 to variables - 1. */
  readonly variables: number;
  /** In the order in which the main thread creates them. */
  readonly threads: readonly Actor[];
  /** What the main thread does between creating and joining them. */
  readonly main?: Actor;
  /** Looks at the variables at the end and returns what is wrong. */
  readonly check?: (variable: (index: number) => number) => string | undefined;
}

/** A program with a main thread. */
export interface ThreadedProgram extends Program {
  readonly of: Threads;
}

/** A program whose actor 0 is the main thread, which creates and joins the others: 4 more operations for each of them. */
export function threaded(of: Threads): ThreadedProgram {
  const { name, variables, threads, main } = of;
  const start = (base: number, thread: number): number => at(base, variables + 2 * thread);
  const done = (base: number, thread: number): number => at(base, variables + 2 * thread + 1);
  return {
    of,
    name,
    words: 2 * (variables + 2 * threads.length),
    actors: [
      function* (cpu, base) {
        for (let i = 0; i < threads.length; i++) yield* write(cpu, start(base, i), 1);
        if (main !== undefined) yield* main(cpu, base);
        for (let i = 0; i < threads.length; i++) yield* waitFor(cpu, done(base, i));
      },
      ...threads.map(
        (thread, i): Actor =>
          function* (cpu, base) {
            yield* waitFor(cpu, start(base, i));
            yield* thread(cpu, base);
            yield* write(cpu, done(base, i), 1);
          },
      ),
    ],
    ...checkOf(of),
  };
}

/** The same threads, all there from the start; what the main thread does is one more of them. Smaller, for proofs and tests. */
export function together({ of }: ThreadedProgram): Program {
  return {
    name: of.name,
    words: 2 * of.variables,
    actors: of.main === undefined ? of.threads : [...of.threads, of.main],
    ...checkOf(of),
  };
}

function checkOf({ check }: Threads): Pick<Program, 'check'> {
  if (check === undefined) return {};
  return { check: (word) => check((variable) => word(2 * variable)) };
}
