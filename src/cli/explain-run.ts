/** Explaining a run on standard output: what explain does, and how shrink ends. */
import { explainFailure } from '../campaign/explain-failure.ts';
import type { ShrunkFailure } from '../campaign/shrink-failure.ts';
import type { RunSpec } from '../campaign/run-spec.ts';
import { tokenOf } from '../campaign/tokens.ts';
import { renderExplanation, type Explanation } from '../report/explanation.ts';
import { formatCount, plural } from '../report/text.ts';
import type { ControlledResult } from '../runtime/controlled.ts';
import type { Output } from './output.ts';
import { runArguments } from './run-options.ts';
import { reproduceCommand, type Chosen } from './scenario-options.ts';

/** A run to explain, and what shrinking did to it. */
export interface MinimalRun extends Pick<
  Chosen,
  'scenario' | 'scenarioName' | 'scenarioFile' | 'variants' | 'given' | 'without' | 'seed'
> {
  readonly spec: RunSpec;
  readonly shrunk: string;
  /** A schedule file that has the run. */
  readonly file?: string | undefined;
}

const MAX_SWAPS = 200;
/** Columns in a pipe: an explanation is made to be pasted. */
const PIPE_WIDTH = 80;

/** What replays the run: a file if there is one, else the token, else the options. */
function commandOf(run: MinimalRun, result: ControlledResult): ((command: string) => string) | undefined {
  // Named one by one: a smaller workload has parameters of its own.
  const { spec, given, variants, scenarioFile } = run;
  const { steps, hash } = result;
  const token = tokenOf({ ...spec, given, variants, scenarioFile, steps, hash });
  const named = run.file ?? token;
  if (named === undefined && 'overrides' in spec.plan) return undefined;
  return (command) =>
    named === undefined
      ? reproduceCommand(command, run, runArguments(run.spec))
      : `npx splitstorm ${command} ${named}`;
}

function commandsOf(run: MinimalRun, result: ControlledResult): Explanation['commands'] {
  const command = commandOf(run, result);
  if (command === undefined)
    return [['replay', 'it is too long for a token: shrink with -o FILE, and replay the file']];
  return [
    ['replay', `${command('replay')} --no-trace`],
    ['trace', command('replay')],
  ];
}

/** Prints the explanation. @throws NotReproduced if the run does not fail */
export function printExplanation(output: Output, run: MinimalRun): void {
  const explanation = explainFailure({
    ...run,
    maxSwaps: MAX_SWAPS,
    commands: (result) => commandsOf(run, result),
  });
  const width = process.stdout.isTTY ? output.width : PIPE_WIDTH;
  for (const line of renderExplanation(explanation, { width, color: output.color })) output.line(line);
}

/** What shrinking did, in words. */
export function shrinkText(shrunk: ShrunkFailure): string {
  const { before, result, spec, replays, fresh, long, moves, certificate, elapsedMs } = shrunk;
  const overrides = 'overrides' in spec.plan ? spec.plan.overrides.length : 0;
  const effort = [
    plural(replays + long, 'replay'),
    ...(fresh === 0 ? [] : [`${plural(fresh, 'schedule')} tried afresh`]),
  ];
  const time = (ms: number): string => `${formatCount(Math.round(ms))} ms`;
  const proof = elapsedMs.all - elapsedMs.shrinking;
  return (
    `Shrunk in ${effort.join(' and ')}, ${time(elapsedMs.shrinking)}: ${plural(before.preemptions, 'preemption')} in ` +
    `${plural(before.steps, 'step')} to ${formatCount(result.preemptions)} (${plural(overrides, 'override')}) in ${formatCount(result.steps)}` +
    `${moves.after < moves.before ? `, ${plural(moves.before, 'move')} to ${formatCount(moves.after)}` : ''}. ` +
    (shrunk.interrupted ? 'It was ended early: less may do. ' : '') +
    certificateText(result.preemptions, overrides, certificate, time(proof))
  );
}

function certificateText(
  preemptions: number,
  overrides: number,
  { verdict, exhausted, schedules }: ShrunkFailure['certificate'],
  time: string,
): string {
  if (preemptions === 0) return 'It needs no preemption.';
  if (verdict === 'minimal')
    return `Certificate: all ${formatCount(schedules)} schedules with fewer preemptions and at most ${plural(overrides, 'override')} pass (${time}).`;
  const bound = exhausted < 0 ? 'none exhausted' : `all with at most ${plural(exhausted, 'override')}`;
  return `Fewer preemptions may do: ${formatCount(schedules)} schedules were run (${bound}, ${time}).`;
}
