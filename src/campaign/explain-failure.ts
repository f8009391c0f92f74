/** From a failing run to the data of its explanation: the run with its trace, the critical pair, the state that broke. */
import { fanOut } from '../check/fan-out.ts';
import { masterSeed } from '../cpu/random.ts';
import { Op } from '../cpu/steps.ts';
import { samePlace, type OpPair } from '../explore/causality.ts';
import { findCriticalPair, type CriticalPairs } from '../explore/critical-pair.ts';
import { rangesText } from '../explore/move-ranges.ts';
import { NotReproduced } from '../explore/shrink.ts';
import { isSpteWord } from '../mmu/describe.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { changedParameters } from '../report/changed.ts';
import type { Explanation } from '../report/explanation.ts';
import type { RecordedStep } from '../report/trace.ts';
import type { ControlledResult, ControlledRuntime } from '../runtime/controlled.ts';
import type { Scenario } from '../scenario/define.ts';
import { brokenState } from './broken-state.ts';
import { sentenceOf } from './outcome.ts';
import { runtimeOf, schedulerOf, type RunSpec } from './run-spec.ts';
import { signatureOf } from './signature.ts';
import { TraceRecorder } from './trace-recorder.ts';
import { whatMatters } from './what-matters.ts';

export interface ExplainOptions {
  readonly spec: RunSpec;
  readonly scenario: Scenario;
  readonly variants: readonly string[];
  /** What shrinking did, in words; empty if nothing was shrunk. */
  readonly shrunk: string;
  readonly commands: (result: ControlledResult) => Explanation['commands'];
  /** Runs spent on the critical pair. */
  readonly maxSwaps: number;
}

/** Longest run whose operations are compared pair by pair. */
const MAX_PAIR_STEPS = 20_000;

/** @throws NotReproduced if the run does not fail */
export function explainFailure(options: ExplainOptions): Explanation {
  const { spec, scenario } = options;
  const runtime = runtimeOf(spec);
  const { kvm, cpus } = runtime;
  const recorder = new TraceRecorder(() => kvm);
  kvm.observer = fanOut([kvm.observer, recorder.events]);
  const scheduler = recorder.wrap(schedulerOf(runtime, spec));
  const result = runtime.run(scheduler, masterSeed(spec.seed), spec.schedule, recorder);
  const violation = result.violations[0];
  if (violation === undefined) throw new NotReproduced(`schedule ${spec.schedule} does not fail`);
  // The state is that of this run: the swaps below make others.
  const { rows, moves, moveOf } = recorder;
  const broken = brokenState(kvm, violation.words, rows);
  const names = cpus.map((cpu) => cpu.name);
  const pairs = swapPairs(options, { rows: [...rows], moves: [...moves], moveOf: [...moveOf] }, result);
  const { pair } = pairs;
  return {
    scenario: scenario.name,
    variant: options.variants.join('+'),
    parameters: changedParameters(scenario, spec.machine.purpose, spec.machine.parameters).map(
      ({ name, value }) => `${name}=${value}`,
    ),
    idle: [...spec.idle].map((actor) => names[actor] ?? `actor ${actor}`),
    kept: [...(spec.kept ?? [])].map(
      ([actor, left]) =>
        `${left.length === 0 ? 'none' : rangesText(left, ', ')} of ${names[actor] ?? `actor ${actor}`}`,
    ),
    violation: {
      id: violation.id,
      sentence: sentenceOf(violation.id),
      text: violation.text,
      actor: violation.actor,
    },
    actors: names,
    steps: rows,
    matters: whatMatters({
      rows,
      words: violation.words,
      actor: violation.actor,
      pair,
      links: violation.words.flatMap((word) => linkOf(kvm, word)),
    }),
    preemptions: result.preemptions,
    ...(pair === undefined
      ? {}
      : {
          pair: {
            first: rows[pair.first]!.step,
            second: rows[pair.second]!.step,
            instead: pair.instead,
          },
        }),
    swapped: { tried: pairs.tried, candidates: pairs.candidates },
    broken,
    held: heldLocks(rows).map(
      ({ actor, name, step }) => `${name} is held by ${names[actor]} since step ${step}`,
    ),
    shrunk: options.shrunk,
    commands: options.commands(result),
  };
}

/** What an entry that links the table of an SPTE looks like in a trace. */
function linkOf(kvm: Kvm, word: number): string[] {
  return isSpteWord(kvm, word) ? [`-> table ${((word >> 1) - kvm.tablesQ) >> kvm.tableBits}`] : [];
}

/** Locks taken and not dropped by the end. */
function heldLocks(rows: readonly RecordedStep[]): { actor: number; name: string; step: number }[] {
  const held = new Map<string, { actor: number; name: string; step: number }>();
  for (const { actor, lock, step } of rows) {
    if (lock === undefined) continue;
    const key = `${actor} ${lock.name}`;
    if (lock.taken) held.set(key, { actor, name: lock.name, step });
    else held.delete(key);
  }
  return [...held.values()];
}

interface Recording {
  readonly rows: readonly RecordedStep[];
  readonly moves: readonly number[];
  readonly moveOf: readonly number[];
}

function swapPairs(options: ExplainOptions, recording: Recording, result: ControlledResult): CriticalPairs {
  const { spec } = options;
  const { rows, moves, moveOf } = recording;
  if (rows.length > MAX_PAIR_STEPS) return { pair: undefined, tried: 0, candidates: rows.length };
  // A runtime of its own: the recorder above listens to the other.
  const runtime = runtimeOf(spec);
  const signature = signatureOf(runtime.kvm);
  const wanted = signature(result.violations[0]!);
  return findCriticalPair({
    runner: runtime,
    master: masterSeed(spec.seed),
    schedule: spec.schedule,
    run: { ops: rows, moves, moveOf },
    sections: lockSections(rows),
    fails: (violation) => signature(violation) === wanted,
    rank: rankOf(runtime, rows, result),
    maxRuns: options.maxSwaps,
  });
}

/** Pairs of critical sections of one lock and different actors, by the operations that take it. */
function lockSections(rows: readonly RecordedStep[]): OpPair[] {
  const taken = rows.flatMap(({ lock }, place) => (lock?.taken === true ? [place] : []));
  return taken.flatMap((first, at) =>
    taken
      .slice(at + 1)
      .filter(
        (second) =>
          rows[first]!.lock!.name === rows[second]!.lock!.name && rows[first]!.actor !== rows[second]!.actor,
      )
      .map((second) => ({ first, second })),
  );
}

/** The places of the critical section that the operation at `taken` begins. */
function sectionOf(rows: readonly RecordedStep[], taken: number): RecordedStep[] {
  const { actor, lock } = rows[taken]!;
  const end = rows.findIndex(
    (row, place) => place > taken && row.actor === actor && row.lock?.name === lock!.name && !row.lock.taken,
  );
  return rows.slice(taken, end < 0 ? rows.length : end + 1).filter((row) => row.actor === actor);
}

/** What says most: violating words, tables before other data before locks, a preemption in between, late in the run. */
function rankOf(
  { kvm }: ControlledRuntime,
  rows: readonly RecordedStep[],
  { violations }: ControlledResult,
): (pair: OpPair) => number {
  const { words } = violations[0]!;
  const queue = kvm.mmuLock.waitLock;
  const preempted = rows.flatMap((row, place) => (row.because === 'preempted' ? [place] : []));
  const touches = (row: RecordedStep): boolean => words.some((word) => samePlace(row, { op: Op.Load, word }));
  const last = rows.at(-1);
  return ({ first, second }) => {
    const { word, lock } = rows[first]!;
    // Who is first in the queue of a lock is shown by who takes the lock.
    if (word === queue || (word === kvm.mmuLock.cnts && lock?.taken !== true)) return -1;
    if (lock?.taken === true && rows[second]!.lock?.taken === true) {
      const [a, b] = [sectionOf(rows, first), sectionOf(rows, second)];
      const ends = last !== undefined && b.includes(last) ? 1 : 0;
      return (a.some(touches) ? 2 : 0) + (b.some(touches) ? 2 : 0) + ends;
    }
    const violating = touches(rows[first]!) ? 4 : 0;
    const data = isSpteWord(kvm, word) ? 3 : 2;
    const across = preempted.some((place) => place > first && place <= second) ? 1 : 0;
    return violating + data + across;
  };
}
