/** One run again: twice, so that a defect of determinism shows; the second time with its trace. */
import { fanOut } from '../check/fan-out.ts';
import { masterSeed } from '../cpu/random.ts';
import type { ScheduleFile } from '../explore/schedule-file.ts';
import type { RecordedStep } from '../report/trace.ts';
import type { ControlledResult, ControlledRuntime } from '../runtime/controlled.ts';
import { ControlledMeasures } from './controlled-statistics.ts';
import { runtimeOf, schedulerOf, settledPlan, type RunPlan, type RunSpec } from './run-spec.ts';
import { compareWithFile, type Mismatch } from './schedule-files.ts';
import { TraceRecorder } from './trace-recorder.ts';

export interface ReplayedRun {
  readonly result: ControlledResult;
  /** Both runs gave the same trace and the same violation. */
  readonly same: boolean;
  /** The run's plan, with what its strategy read of the profile. */
  readonly plan: RunPlan;
  readonly rows: readonly RecordedStep[];
  readonly runtime: ControlledRuntime;
  readonly measures: ControlledMeasures;
}

/**
 * Makes the run.
 * @param file a schedule file that the run must follow operation by operation
 */
export function replayRun(spec: RunSpec, file?: ScheduleFile): { readonly mismatch: Mismatch } | ReplayedRun {
  const runtime = runtimeOf(spec);
  const mismatch = file === undefined ? undefined : compareWithFile(runtime, spec, file);
  if (mismatch !== undefined) return { mismatch };
  const plan = settledPlan(runtime, spec);
  const scheduler = schedulerOf(runtime, { ...spec, plan });
  const master = masterSeed(spec.seed);
  const first = runtime.run(scheduler, master, spec.schedule);
  for (const cpu of runtime.cpus) cpu.counters.fill(0);
  const measures = new ControlledMeasures(runtime);
  const recorder = new TraceRecorder(() => runtime.kvm);
  runtime.kvm.observer = fanOut([runtime.kvm.observer, recorder.events]);
  const result = runtime.run(recorder.wrap(scheduler), master, spec.schedule, recorder);
  const same = first.hash === result.hash && first.violations[0]?.id === result.violations[0]?.id;
  return { result, same, plan, rows: recorder.rows, runtime, measures };
}
