/** Schedule files of runs: made from a run, and held against the run that comes of them. */
import { fnv1a } from '../explore/bytes.ts';
import { Coverage } from '../explore/coverage.ts';
import {
  Diverged,
  OperationComparer,
  OperationRecorder,
  type Difference,
  type LoggedStep,
} from '../explore/operation-log.ts';
import { Inapplicable, OverrideRecorder, OverrideScheduler, type Override } from '../explore/overrides.ts';
import type { ScheduleFile } from '../explore/schedule-file.ts';
import { masterSeed } from '../cpu/random.ts';
import { OP_NAMES } from '../cpu/steps.ts';
import { briefWord } from '../mmu/describe.ts';
import type { Kvm } from '../mmu/kvm.ts';
import type { ControlledResult, ControlledRuntime } from '../runtime/controlled.ts';
import type { Machine } from '../scenario/build.ts';
import { findVariant } from '../variants/index.ts';
import { schedulerOf, type RunSpec } from './run-spec.ts';

/** FNV-1a of everything that a run depends on but the code. */
export const machineHash = ({ config, actors, populate, dims }: Machine): number =>
  fnv1a(JSON.stringify({ config, actors, populate, dims }));

/** FNV-1a of the words that are not 0, with their places: to be called before the first run. */
export function memoryHash(kvm: Kvm): number {
  let hash = 0x811c9dc5;
  for (let word = 0; word < kvm.w.length; word++) {
    if (kvm.w[word] === 0) continue;
    hash = Math.imul(hash ^ word, 0x01000193);
    hash = Math.imul(hash ^ kvm.w[word]!, 0x01000193);
  }
  return hash >>> 0;
}

const texts = (values: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));

export interface ScheduleFileParts {
  readonly spec: RunSpec;
  /** How the user named the scenario, and the variants. */
  readonly scenarioName: string;
  readonly variants: readonly string[];
  readonly given: Readonly<Record<string, string | boolean>>;
  readonly foundBy: string;
}

/** Makes the run once and writes down what a schedule file has of it. `runtime` must not have run anything yet. */
export function recordSchedule(
  runtime: ControlledRuntime,
  { spec, scenarioName, variants, given, foundBy }: ScheduleFileParts,
): { readonly file: ScheduleFile; readonly result: ControlledResult } {
  const boot = memoryHash(runtime.kvm);
  const overrides = new OverrideRecorder(schedulerOf(runtime, spec));
  const operations = new OperationRecorder(runtime.log);
  const coverage = new Coverage({
    actors: runtime.cpus.length,
    words: runtime.kvm.w.length,
    entriesFrom: runtime.entriesFrom,
    kindOf: () => 0,
    kinds: 1,
    partyOf: () => 0,
  });
  runtime.log.coverage = coverage;
  const result = runtime.run(overrides, masterSeed(spec.seed), spec.schedule, operations);
  runtime.log.coverage = undefined;
  const file: ScheduleFile = {
    scenario: scenarioName,
    variants,
    given: texts(given),
    resolved: texts(spec.machine.parameters),
    without: [...spec.without].sort(),
    idle: [...spec.idle].sort((a, b) => a - b),
    kept: spec.kept ?? new Map(),
    actors: runtime.cpus.map((cpu) => cpu.name),
    foundBy,
    seed: spec.seed,
    schedule: spec.schedule,
    machine: machineHash(spec.machine),
    boot,
    violation: result.violations[0]?.id ?? 'clean',
    preemptions: result.preemptions,
    fingerprint: coverage.lo >>> 0,
    steps: result.steps,
    overrides: overrides.overrides,
    log: operations.finish(),
  };
  return { file, result };
}

/** Why a strict replay of a schedule file was refused or stopped. */
export interface Mismatch {
  /** `bad-input`: the file cannot be played here at all; `diverged`: it was, up to where the run became another one. */
  readonly kind: 'bad-input' | 'diverged';
  readonly text: string;
}

/** Plays a file strictly. @returns undefined if the run is the file's, operation by operation */
export function compareWithFile(
  runtime: ControlledRuntime,
  spec: RunSpec,
  file: ScheduleFile,
): Mismatch | undefined {
  const { kvm, cpus, log } = runtime;
  const names = cpus.map((cpu) => cpu.name);
  if (names.join() !== file.actors.join()) {
    const text = `it is of another scenario: its actors are ${file.actors.join(', ')}; here they are ${names.join(', ')}`;
    return { kind: 'bad-input', text };
  }
  const since = changedSince(file, spec, memoryHash(kvm));
  const comparer = new OperationComparer(file.log, file.steps, log);
  const scheduler = new OverrideScheduler(file.overrides, true);
  try {
    const result = runtime.run(scheduler, masterSeed(spec.seed), spec.schedule, comparer);
    comparer.end();
    if (scheduler.unused !== undefined) throw new Inapplicable(scheduler.unused);
    const violation = result.violations[0]?.id ?? 'clean';
    if (violation === file.violation) return undefined;
    const text = `all operations are the same, but the file's run ended with ${file.violation} and this one with ${violation}: a check has changed`;
    return { kind: 'diverged', text };
  } catch (error) {
    if (error instanceof Diverged)
      return { kind: 'diverged', text: `${differenceText(kvm, names, error.difference)}; ${since}` };
    if (error instanceof Inapplicable)
      return { kind: 'bad-input', text: `${inapplicableText(names, error.override, log.steps)}; ${since}` };
    throw error;
  }
}

/** `L2 vCPU 0: store64 L2[1]@0x20`. */
function stepText(kvm: Kvm, names: readonly string[], step: LoggedStep | undefined): string {
  if (step === undefined) return 'the end of the run';
  return `${names[step.actor] ?? `actor ${step.actor}`}: ${OP_NAMES[step.op]} ${briefWord(kvm, step.word)}`;
}

function differenceText(kvm: Kvm, names: readonly string[], difference: Difference): string {
  const { step, expected, actual, inBlock } = difference;
  if (inBlock) return `the 64 steps up to ${step} are others (their hash differs)`;
  const same =
    expected !== undefined &&
    actual !== undefined &&
    expected.actor === actual.actor &&
    expected.op === actual.op &&
    expected.word === actual.word;
  return same
    ? `step ${step} is ${stepText(kvm, names, actual)} as expected, but with another value`
    : `step ${step} should be ${stepText(kvm, names, expected)} and is ${stepText(kvm, names, actual)}`;
}

function inapplicableText(names: readonly string[], { actor, op, next }: Override, steps: number): string {
  const after = actor < 0 ? 'at the start' : `after move ${op} of ${names[actor]}`;
  return `an override no longer applies (${after}, ${names[next]} goes on): seen at step ${steps}`;
}

/** Which of parameters, scenario and engine are others than the file's. */
function changedSince(file: ScheduleFile, { machine, engine }: RunSpec, boot: number): string {
  const now = texts(machine.parameters);
  // The engine has the names of its variants, and those of files have names beside their paths.
  const shipped = file.variants.every((name) => findVariant(name) !== undefined);
  if (shipped && engine.name !== file.variants.join('+'))
    return `the engine is another: it was ${file.variants.join('+')} and is ${engine.name}`;
  const changed = [...new Set([...Object.keys(file.resolved), ...Object.keys(now)])]
    .filter((name) => file.resolved[name] !== now[name])
    .map((name) => `${name} was ${file.resolved[name] ?? 'unknown'} and is ${now[name] ?? 'unknown'}`);
  if (changed.length > 0) return `parameters have changed: ${changed.join(', ')}`;
  if (machineHash(machine) !== file.machine) return 'the scenario has changed, with the same parameters';
  if (boot !== file.boot)
    return 'the engine has changed: scenario and parameters are the same, and it boots to another memory';
  return 'the engine or an actor has changed: scenario, parameters and the booted memory are the same';
}
