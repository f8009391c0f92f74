/** One controlled run, written down as a recording of a kernel would be (docs/conformance.md). */
import { RunRecorder } from './record-run.ts';
import type { Recording } from './recording.ts';
import { masterSeed } from '../cpu/random.ts';
import { ControlledRuntime, type Judge } from '../runtime/controlled.ts';
import { schedulerOf, type RunSpec } from '../campaign/run-spec.ts';

/** Records without judging: the run goes on to its end whatever is broken, unless the model itself cannot. */
class RecordingJudge implements Judge {
  recorder: RunRecorder | undefined;
  private readonly spec: RunSpec;

  constructor(spec: RunSpec) {
    this.spec = spec;
  }

  observer: Judge['observer'] = (kvm) => {
    this.recorder = new RunRecorder(kvm, this.spec.machine);
    return this.recorder.events;
  };

  begin: Judge['begin'] = () => {};
  atEnd: Judge['atEnd'] = () => {};
}

export function recordConformance(spec: RunSpec): Recording {
  const judge = new RecordingJudge(spec);
  const runtime = new ControlledRuntime({ ...spec, judge });
  runtime.idle = spec.idle;
  if (spec.kept !== undefined) runtime.kept = spec.kept;
  const result = runtime.run(schedulerOf(runtime, spec), masterSeed(spec.seed), spec.schedule);
  return judge.recorder!.finish(
    `${spec.machine.scenario}-${spec.seed}-${spec.schedule}-${result.hash}`,
    runtime.cpus,
  );
}
