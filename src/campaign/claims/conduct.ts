/** Conducting an experiment: the experiment itself, and its control, in which it must come out otherwise. */
import type { ClaimRecord, ControlRecord, Finding } from '../../report/claim-record.ts';
import type { Control, Experiment } from './define.ts';
import { Laboratory, OutOfTime, type LabOptions } from './lab.ts';
import type { Injection } from './subject.ts';

export interface ConductOptions extends Omit<LabOptions, 'injections' | 'signal'> {
  /** A variant of the user's on top of every engine. */
  readonly variant?: string | undefined;
  /** Leave the control out. */
  readonly withoutControl?: boolean;
  readonly limitMs: number;
}

/** Schedules of a hunt in a control, at least. */
const LEAST_HUNT = 20;

export async function conduct(experiment: Experiment, options: ConductOptions): Promise<ClaimRecord> {
  const began = performance.now();
  const signal = AbortSignal.timeout(Math.max(1, Math.ceil(Math.min(options.limitMs, 2 ** 31 - 1))));
  const own: Injection[] = options.variant === undefined ? [] : [{ variant: options.variant }];
  const lab = new Laboratory({ ...options, injections: own, signal });
  const { id, claim, facts = [] } = experiment;
  const record = (finding: Finding, more: Partial<ClaimRecord> = {}): ClaimRecord => ({
    id,
    claim,
    facts,
    ...finding,
    runs: lab.runs,
    ...more,
    seconds: (performance.now() - began) / 1000,
  });
  let finding: Finding;
  try {
    finding = await experiment.run(lab);
  } catch (error) {
    return record(...failed(error));
  }
  if (options.withoutControl === true) return record(finding);
  try {
    const { control } = experiment;
    const injection: Injection = { variant: control.variant, parameters: control.parameters };
    const second = new Laboratory({
      ...options,
      replays: 0,
      injections: [...own, injection],
      signal,
      // What is found within n schedules and then not within three times as many has gone.
      ...(lab.longestHunt === 0 ? {} : { huntAtMost: Math.max(LEAST_HUNT, 3 * lab.longestHunt) }),
    });
    const answer = await experiment.run(second);
    const schedules = second.runs.reduce((total, run) => total + run.schedules, 0);
    return record(finding, { control: controlRecord(control, finding, answer, schedules) });
  } catch (error) {
    const [answer, more] = failed(error);
    if (more.error !== undefined) return record(finding, { error: `the control: ${more.error}` });
    return record(open(`${finding.text} (${finding.verdict}; but for its control ${answer.text})`));
  }
}

const open = (text: string): Finding => ({ verdict: 'open', text });

function failed(error: unknown): [Finding, Pick<ClaimRecord, 'error'>] {
  if (error instanceof OutOfTime) return [open('the time was up before it was settled'), {}];
  const text = error instanceof Error ? error.message : String(error);
  return [open('the harness failed'), { error: text }];
}

function controlRecord(
  control: Control,
  finding: Finding,
  answer: Finding,
  schedules: number,
): ControlRecord {
  const { variant, parameters = {}, verdict, figure } = control;
  const given = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
  const name = typeof variant === 'object' ? variant.name : variant;
  const changed = [...(name === undefined ? [] : [name]), ...given].join(', ');
  const otherwise =
    figure === undefined
      ? answer.verdict !== finding.verdict && (verdict === undefined || answer.verdict === verdict)
      : answer.figures?.[figure] !== undefined && answer.figures[figure] !== finding.figures?.[figure];
  return { changed, verdict: answer.verdict, text: answer.text, schedules, otherwise };
}
