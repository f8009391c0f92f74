/** Shrinking a failing schedule of a machine, and the trace of what is left. */
import { masterSeed } from '../cpu/random.ts';
import { locationGroups } from '../explore/locations.ts';
import { OverrideScheduler } from '../explore/overrides.ts';
import { Schedules } from '../explore/scheduler-of.ts';
import { shrink, type Shrunk, type Signature } from '../explore/shrink.ts';
import { briefWord } from '../mmu/describe.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { ControlledRuntime, type ControlledResult } from '../runtime/controlled.ts';
import { fanOut } from '../check/fan-out.ts';
import type { TraceRow } from '../report/trace.ts';
import type { ReplayOptions } from './search.ts';
import { TraceRecorder } from './trace-recorder.ts';

export interface ShrinkFailureOptions extends Omit<ReplayOptions, 'listener' | 'onRuntime'> {
  readonly maxReplays: number;
  readonly maxCertificate: number;
}

export interface ShrunkFailure {
  readonly shrunk: Shrunk;
  /** The minimal schedule's run once more, with its trace. */
  readonly result: ControlledResult;
  readonly rows: readonly TraceRow[];
  readonly runtime: ControlledRuntime;
}

/** The same check on the same kind of place: names of words without their numbers. */
export function signatureOf(kvm: Kvm): Signature {
  return ({ id, words }) => {
    const place = words[0] === undefined ? '' : briefWord(kvm, words[0]);
    return `${id} ${place.replaceAll(/0x[0-9a-f]+|\d+/g, '#')}`;
  };
}

/** @throws NotReproduced if the schedule does not fail */
export function shrinkFailure(options: ShrinkFailureOptions): ShrunkFailure {
  const master = masterSeed(options.seed);
  const runtime = new ControlledRuntime(options);
  const schedules = new Schedules(runtime, master, options.strategy, locationGroups(runtime.kvm));
  const shrunk = shrink(schedules.of(options.schedule), {
    runner: runtime,
    master,
    schedule: options.schedule,
    signature: signatureOf(runtime.kvm),
    maxReplays: options.maxReplays,
    maxCertificate: options.maxCertificate,
  });
  const recorder = new TraceRecorder(() => runtime.kvm);
  runtime.kvm.observer = fanOut([runtime.kvm.observer, recorder.events]);
  const result = runtime.run(new OverrideScheduler(shrunk.overrides), master, options.schedule, recorder);
  return { shrunk, result, rows: recorder.rows, runtime };
}
