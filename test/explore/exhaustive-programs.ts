/** Small programs for the exhaustive searches, and what all interleavings of one come to. */
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import { RecordedRun } from '../../src/explore/exhaustive/recorder.ts';
import { SourceDpor } from '../../src/explore/exhaustive/source-dpor.ts';
import { ProgramRunner, type Program } from '../../src/explore/program.ts';
import type { Scheduler } from '../../src/runtime/scheduler.ts';

/** One operation of a random program, on one of a few words. */
export type Move =
  | { readonly kind: 'read' | 'lock' | 'unlock'; readonly at: number }
  | { readonly kind: 'write' | 'add' | 'or'; readonly at: number; readonly value: number }
  | { readonly kind: 'cas'; readonly at: number; readonly expected: number; readonly value: number }
  | { readonly kind: 'await'; readonly at: number; readonly not: number }
  | { readonly kind: 'pair'; readonly at: number; readonly value: number }
  | { readonly kind: 'branch'; readonly at: number; readonly inner: Move };

/** What an actor saw, folded into a word of its own that nobody else looks at. */
const noteInto = (seen: Int32Array, actor: number, value: number): void => {
  seen[actor] = Math.imul(seen[actor]! ^ (value + 0x9e37), 0x85ebca6b);
};

function* move(cpu: PlainCpu, base: number, m: Move, seen: Int32Array): Steps<void> {
  const word = base + m.at;
  const note = (value: number): void => noteInto(seen, cpu.actor, value);
  switch (m.kind) {
    case 'read':
      yield cpu.at(Op.Load, word);
      note(cpu.load(word));
      break;
    case 'write':
      yield cpu.at(Op.Store, word);
      cpu.store(word, m.value);
      break;
    case 'add':
      yield cpu.at(Op.Add, word);
      note(cpu.add(word, m.value));
      break;
    case 'or':
      yield cpu.at(Op.Or, word);
      note(cpu.or(word, m.value));
      break;
    case 'cas':
      yield cpu.at(Op.CompareExchange, word);
      note(cpu.compareExchange(word, m.expected, m.value));
      break;
    case 'await':
      yield cpu.at(Op.Wait, word, m.not);
      cpu.wait(word, m.not);
      break;
    case 'lock':
      for (;;) {
        yield cpu.at(Op.CompareExchange, word);
        if (cpu.compareExchange(word, 0, 1) === 0) break;
        yield cpu.at(Op.Wait, word, 1);
        cpu.wait(word, 1);
      }
      break;
    case 'unlock':
      yield cpu.at(Op.Store, word);
      cpu.store(word, 0);
      break;
    case 'pair': {
      const q = word >> 1;
      yield cpu.at(Op.Exchange64, q * 2);
      cpu.exchange64(q, m.value, m.value);
      note(cpu.lo);
      note(cpu.hi);
      break;
    }
    case 'branch':
      yield cpu.at(Op.Load, word);
      if (cpu.load(word) !== 0) yield* move(cpu, base, m.inner, seen);
      break;
  }
}

/** A program whose actors make these moves; `seen` holds what each saw in the last run. */
export function programOf(
  actors: readonly (readonly Move[])[],
  words = 6,
): Program & { readonly seen: Int32Array } {
  const seen = new Int32Array(actors.length);
  return {
    name: 'moves',
    maxSteps: 200,
    words,
    seen,
    actors: actors.map(
      (moves) =>
        function* (cpu: PlainCpu, base: number): Steps<void> {
          seen[cpu.actor] = 0;
          for (const m of moves) yield* move(cpu, base, m, seen);
        },
    ),
  };
}

/** What all runs of a program come to. */
export interface Outcomes {
  /** Distinct traces, each with how many of the runs had it. */
  readonly traces: ReadonlyMap<string, number>;
  /** Final memory, what each actor saw, and the violation, as text. */
  readonly states: ReadonlySet<string>;
  readonly runs: number;
  readonly redundant: number;
}

const stateOf = (
  program: Program & { readonly seen?: Int32Array },
  runner: ProgramRunner,
  broken: string,
): string => {
  const base = runner.word(0);
  return [...runner.memory.subarray(base, base + program.words), ...(program.seen ?? []), broken].join(' ');
};

/** Every interleaving, by depth-first search without any pruning. */
class Everything implements Scheduler {
  readonly stack: { readonly choices: number[]; taken: number }[] = [];
  private depth = 0;
  begin(): void {
    this.depth = 0;
  }
  pick(enabled: Int32Array, count: number): number {
    const node = (this.stack[this.depth++] ??= { choices: [...enabled.subarray(0, count)], taken: 0 });
    return node.choices[node.taken]!;
  }
  next(): boolean {
    for (let node = this.stack.at(-1); node !== undefined; node = this.stack.at(-1)) {
      if (++node.taken < node.choices.length) return true;
      this.stack.pop();
    }
    return false;
  }
}

/** @returns undefined if there are more than `limit` */
export function bruteForce(
  program: Program & { readonly seen?: Int32Array },
  limit: number,
): Outcomes | undefined {
  const runner = new ProgramRunner(program);
  const all = new Everything();
  const recorded = new RecordedRun(all, runner.cpus.length, runner.memory);
  const traces = new Map<string, number>();
  const states = new Set<string>();
  let runs = 0;
  do {
    if (++runs > limit) return undefined;
    const { violations } = runner.run(recorded, 1, 0, recorded);
    const key = recorded.execution.traceKey();
    traces.set(key, (traces.get(key) ?? 0) + 1);
    states.add(stateOf(program, runner, violations[0]?.text ?? ''));
  } while (all.next());
  return { traces, states, runs, redundant: 0 };
}

export function dpor(program: Program & { readonly seen?: Int32Array }, limit: number): Outcomes {
  const runner = new ProgramRunner(program);
  const search = new SourceDpor(runner);
  const traces = new Map<string, number>();
  const states = new Set<string>();
  while (!search.exhausted) {
    if (search.complete + search.redundant > limit) throw new Error('the search does not end');
    const result = search.next(1, 0);
    if (result === undefined) continue;
    const key = search.lastTrace;
    traces.set(key, (traces.get(key) ?? 0) + 1);
    states.add(stateOf(program, runner, result.violations[0]?.text ?? ''));
  }
  if (search.unfollowed > 0) throw new Error('a race was not followed');
  return { traces, states, runs: search.complete, redundant: search.redundant };
}
